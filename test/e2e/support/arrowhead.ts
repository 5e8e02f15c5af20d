import { chmodSync, cpSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import type { TestEngine } from './engine.ts';
import type { Ground } from './ground.ts';

/** Where the author of the seed's blueprints kept the files that the systems mount. */
export const AUTHORS_TREE = '/home/johan/dev/github/eislab-cps/arrowhead-core-docker';

/** The seed's blueprints, never changed. */
export const SEED = resolve('test/fixtures/seed-blueprints');

/** Name and port of each core system (ARROWHEAD.md section 1). */
export const SYSTEMS = {
  serviceregistry: 8443,
  authorization: 8445,
  orchestrator: 8441,
  eventhandler: 8455,
  gatekeeper: 8449,
  gateway: 8453,
} as const;

export const CONTAINERS = ['c1-database', ...Object.keys(SYSTEMS).map((name) => `c1-${name}`)];
export const VOLUME = 'c1-database';
export const SYSTEM_IMAGE = 'aitiaiiot/arrowhead-system:4.6.1';
export const DATABASE_IMAGE = 'aitiaiiot/arrowhead-database:4.6.1';

/** Says of an image that a test made it and may take it away. */
const STAND_IN = 'colonies-edge.stand-in';

/**
 * Plays a core system: needs its four mounts, the database and, but for the registry itself, the registry. It waits for
 * them for some seconds, as a virtual machine that starts does for a minute, and then ends with 1.
 */
const RUN_SH = `#!/bin/sh
cd /opt/arrowhead || exit 1
[ -n "$SYSTEM_NAME" ] || { echo "no SYSTEM_NAME"; exit 0; }
[ -s "certificates/$SYSTEM_NAME.p12" ] || { echo "no key store"; exit 1; }
grep -q Configuration log4j2.xml || { echo "no log settings"; exit 1; }
port=$(sed -n 's/^server.port=//p' application.properties)
trap 'exit 0' TERM
patient() {
  tries=0
  until "$@" </dev/null >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ "$tries" -lt 10 ] || { echo "in vain: $*"; exit 1; }
    sleep 0.5
  done
}
patient nc -w 2 c1-database 3306
[ "$SYSTEM_NAME" = serviceregistry ] ||
  patient wget -q -O /dev/null http://c1-serviceregistry:8443/serviceregistry/echo
mkdir -p "/tmp/www/$SYSTEM_NAME"
printf 'Got it!' > "/tmp/www/$SYSTEM_NAME/echo"
httpd -f -p "$port" -h /tmp/www &
wait $!
`;

/** How long the database takes at its first start, milliseconds: longer than the systems wait for it. */
export const FIRST_START_MS = 8_000;

/** Plays the database, which is baked into its image: without the files of the image in its volume it does not start. */
const DATABASE = [
  "trap 'exit 0' TERM",
  '[ -s /var/lib/mysql/baked ] || { echo "no tables"; exit 1; }',
  `[ -e /var/lib/mysql/begun ] || { sleep ${FIRST_START_MS / 1000} & wait $!; }`,
  'touch /var/lib/mysql/begun',
  'sleep 0.3',
  'httpd -f -p 3306 -h /srv & wait $!',
].join('\n');

/** Fails, and says why, when something on this machine is in the way of the seed's names and ports. */
export async function ensureRoom(engine: TestEngine): Promise<void> {
  const wrong: string[] = [];
  for (const name of CONTAINERS)
    if ((await engine.byName(name)) !== undefined) wrong.push(`there is a container ${name}`);
  const volumes = await engine.call('GET', '/volumes');
  for (const volume of volumes?.Volumes ?? [])
    if (volume.Name === VOLUME) wrong.push(`there is a volume ${VOLUME}`);
  for (const image of [SYSTEM_IMAGE, DATABASE_IMAGE]) {
    const found = await engine.call('GET', `/images/${image}/json`, undefined, [404]);
    if (found?.Id !== undefined && found.Config?.Labels?.[STAND_IN] === undefined)
      wrong.push(`there is a real image ${image}`);
  }
  for (const port of [3306, ...Object.values(SYSTEMS)])
    if (!(await isFree(port))) wrong.push(`port ${port} is taken`);
  if (wrong.length > 0)
    throw new Error(`the seed's blueprints cannot run on this machine: ${wrong.join('; ')}`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((done) => {
    const server = createServer();
    server.once('error', () => done(false));
    server.listen(port, '0.0.0.0', () => server.close(() => done(true)));
  });
}

/** Stand-ins under the real names; the system's command is the script that the blueprints mount. */
export async function makeStandIns(ground: Ground): Promise<void> {
  const label = `LABEL ${STAND_IN}=1`;
  await ground.makeImage(SYSTEM_IMAGE, ['CMD ["/opt/arrowhead/run.sh"]', label]);
  await ground.makeImage(
    DATABASE_IMAGE,
    [`CMD ${JSON.stringify(['sh', '-c', DATABASE])}`, label],
    [
      { path: 'var/lib', type: 'directory' },
      { path: 'var/lib/mysql', type: 'directory' },
      { path: 'var/lib/mysql/baked', content: 'tables\n' },
    ],
  );
}

/** The tree of files that the six systems mount, in a folder of this machine. */
export function makeTree(root: string): void {
  const put = (folder: string, file: string, content: string, mode = 0o644) => {
    mkdirSync(join(root, folder), { recursive: true });
    writeFileSync(join(root, folder, file), content);
    chmodSync(join(root, folder, file), mode);
  };
  for (const [system, port] of Object.entries(SYSTEMS)) {
    put(
      `c1-props/${system}`,
      'application.properties',
      `server.port=${port}\nsr_address=c1-serviceregistry\n`,
    );
    put(`c1/${system}/certificates`, `${system}.p12`, 'not a real key store\n');
    put(`config/${system}`, 'log4j2.xml', '<Configuration/>\n');
    put(`config/${system}`, 'run.sh', RUN_SH, 0o755);
  }
}

/** Health checks by the engine, as quick as the stand-ins are; to be used before the overlay that brings the order. */
export function healthOverlay(): object {
  // Without a period to start in they would be restarted for being slow.
  const check = { interval: '2s', timeout: '5s', startPeriod: '1m' };
  const overlays = Object.entries({ database: 3306, ...SYSTEMS }).map(([component, port]) => ({
    match: { arrowhead: 'true', component },
    instance: {
      healthcheck: { test: `nc -w 2 127.0.0.1 ${port} </dev/null`, ...check },
      probe: { tcp: { port }, ...check },
    },
  }));
  return { overlays };
}

/** Puts the seven blueprints, byte by byte as they are, into a folder. */
export function copyBlueprints(folder: string): string[] {
  const files = readdirSync(SEED).filter((file) => file.startsWith('arrowhead-c1-'));
  for (const file of files) cpSync(join(SEED, file), join(folder, file));
  return files;
}
