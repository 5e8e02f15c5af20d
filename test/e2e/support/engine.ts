import { EngineClient, engineCall } from '../../../build/lib/engine.mjs';

/** Direct access to the engine, past the code under test. */
export class TestEngine extends EngineClient {
  /** The inspection of a container by name or id; fails when there is none. */
  async container(name: string) {
    const found = await this.inspect(name);
    if (found === undefined) throw new Error(`there is no container ${name}`);
    return found;
  }

  /** Standard output and error of a command run inside a container, and its exit code. */
  async exec(container: string, ...command: string[]): Promise<{ code: number; output: string }> {
    const { Id } = await this.call('POST', `/containers/${container}/exec`, {
      Cmd: command,
      AttachStdout: true,
      AttachStderr: true,
    });
    const answer = await engineCall(this.socketPath, 'POST', `/exec/${Id}/start`, {
      json: { Detach: false, Tty: false },
    });
    if (answer.status !== 200) throw new Error(`exec in ${container}: ${answer.body.toString()}`);
    const { ExitCode } = await this.call('GET', `/exec/${Id}/json`);
    return { code: Number(ExitCode), output: unframed(answer.body).trim() };
  }

  /** What a container wrote to its output so far. */
  async output(container: string): Promise<string> {
    const answer = await engineCall(
      this.socketPath,
      'GET',
      `/containers/${container}/logs?stdout=1&stderr=1`,
    );
    return unframed(answer.body).trim();
  }

  async stop(container: string, seconds = 0): Promise<void> {
    await this.call('POST', `/containers/${container}/stop?t=${seconds}`, undefined, [304]);
  }

  async start(container: string): Promise<void> {
    await this.call('POST', `/containers/${container}/start`, undefined, [304]);
  }

  async pause(container: string): Promise<void> {
    await this.call('POST', `/containers/${container}/pause`);
  }

  async rename(container: string, name: string): Promise<void> {
    await this.call('POST', `/containers/${container}/rename?name=${name}`);
  }

  /** `docker update`: limits and restart policy, as the engine's API names them. */
  async update(container: string, body: object): Promise<void> {
    await this.call('POST', `/containers/${container}/update`, body);
  }

  async connect(network: string, container: string, aliases: readonly string[] = []): Promise<void> {
    const body = { Container: container, EndpointConfig: { Aliases: aliases } };
    await this.call('POST', `/networks/${network}/connect`, body);
  }

  async disconnect(network: string, container: string): Promise<void> {
    await this.call('POST', `/networks/${network}/disconnect`, { Container: container, Force: true });
  }

  async makeNetwork(name: string, body: object = {}): Promise<void> {
    await this.call('POST', '/networks/create', { Name: name, Driver: 'bridge', ...body });
  }

  /** Gives an image one more name, "name:tag". */
  async tag(image: string, name: string): Promise<void> {
    const colon = name.lastIndexOf(':');
    const query = `repo=${name.slice(0, colon)}&tag=${name.slice(colon + 1)}`;
    await this.call('POST', `/images/${image}/tag?${query}`);
  }

  /** Creates a container with a body of the engine's API, and starts it unless told not to; returns its id. */
  async make(name: string, body: object, options: { start?: boolean } = {}): Promise<string> {
    const { Id } = await this.call('POST', `/containers/create?name=${name}`, body);
    if (options.start !== false) await this.start(String(Id));
    return String(Id);
  }

  /** Id and start time of every container that the labels select: what must not change when nothing changed. */
  async lives(...labels: string[]): Promise<Map<string, string>> {
    const listed = await this.containers({ label: labels });
    const lives = new Map<string, string>();
    for (const { Id } of listed) {
      const found = await this.inspect(Id);
      if (found !== undefined) lives.set(String(found.Name).slice(1), `${Id} ${found.State.StartedAt}`);
    }
    return new Map([...lives].sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}

/** The text of the engine's multiplexed stream: frames of 8 bytes head and their payload. */
function unframed(body: Buffer): string {
  let text = '';
  for (let at = 0; at + 8 <= body.length; ) {
    const length = body.readUInt32BE(at + 4);
    text += body.toString('utf8', at + 8, at + 8 + length);
    at += 8 + length;
  }
  return text;
}
