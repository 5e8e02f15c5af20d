import { Addresses } from './addresses.ts';
import { Control, savedTarget } from './control.ts';
import { Relay, type RelayPort } from './relay.ts';

/** What connections in use get when the relay is told to end, milliseconds. */
const GRACE_MS = 5_000;

/** Relays until aborted. `folder`: shared with the agent. Throws the system's error when a port or the folder cannot be had. */
export async function runRelay(
  folder: string,
  ports: readonly RelayPort[],
  signal: AbortSignal,
): Promise<void> {
  const addresses = new Addresses();
  const relay = new Relay({
    ports,
    addressOf: (id) => addresses.of(id),
    forget: (id) => addresses.forget(id),
    onChange: () => control.tell(),
  });
  const control = new Control(folder, relay);
  relay.target = await savedTarget(folder);
  await control.listen();
  await relay.listen();
  if (!signal.aborted)
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  await relay.close(GRACE_MS);
  control.close();
}
