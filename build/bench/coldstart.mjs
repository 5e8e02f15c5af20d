// The cold start of an Arrowhead local cloud, played by stand-ins: in the order of the overlay, and all at once.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { duration } from '../lib/project.mjs';
import { IMAGE } from './ground.mjs';

/** @typedef {import('./figures.mjs').Figure} Figure */
/** @typedef {import('./ground.mjs').Ground} Ground */
/** @typedef {import('./parts.mjs').BenchOptions} BenchOptions */

const CLOUD = 'bench';

/** Port of each, and the seconds until it opens; about a tenth of what the real ones take. */
const COMPONENTS = {
  database: { port: 3306, boot: 4 },
  serviceregistry: { port: 8443, boot: 3 },
  authorization: { port: 8445, boot: 1 },
  orchestrator: { port: 8441, boot: 1 },
  eventhandler: { port: 8455, boot: 1 },
  gateway: { port: 8453, boot: 1 },
  gatekeeper: { port: 8449, boot: 1 },
};

const REGISTRY = `http://${CLOUD}-serviceregistry:8443/serviceregistry/echo`;

/** Needs the database when it has started, and then the registry, which it asks four times; ends with 1 otherwise. */
const STAND_IN = `
mkdir -p "/tmp/w/$SYSTEM"; printf 'Got it!' > "/tmp/w/$SYSTEM/echo"
sleep "$BOOT"
if [ "$SYSTEM" != database ]; then
  echo | nc -w 2 ${CLOUD}-database 3306 >/dev/null 2>&1 || exit 1
  if [ "$SYSTEM" != serviceregistry ]; then
    n=0
    until wget -q -O /dev/null ${REGISTRY}; do
      n=$((n+1)); [ "$n" -ge 4 ] && exit 1
      sleep 0.5
    done
  fi
fi
exec httpd -f -p "$PORT" -h /tmp/w`;

/** @param {string} component @param {{ port: number, boot: number }} role */
function blueprint(component, { port, boot }) {
  const name = `${CLOUD}-${component}`;
  const check = { interval: '1s', timeout: '5s', retries: 5, startPeriod: '1m' };
  const instance = {
    name,
    type: 'container',
    image: IMAGE,
    command: ['sh', '-c', STAND_IN],
    environment: { SYSTEM: component, PORT: port, BOOT: boot },
    healthcheck: { test: `echo | nc -w 2 127.0.0.1 ${port}`, ...check },
    probe: { tcp: { port }, ...check },
  };
  const labels = { arrowhead: 'true', cloud: CLOUD, component };
  return { kind: 'DockerDeployment', metadata: { name, labels }, spec: { instances: [instance] } };
}

/**
 * One cold start, from the start of the agent until the last of the seven is healthy.
 * @param {Ground} ground @param {string[]} extra flags @returns {Promise<{ tookMs: number, wasted: number }>}
 */
async function once(ground, extra) {
  const agent = ground.agent({ extra });
  const names = Object.entries(COMPONENTS).map(([component, role]) => {
    const document = blueprint(component, role);
    writeFileSync(join(agent.blueprints, `${component}.json`), JSON.stringify(document));
    return document.metadata.name;
  });
  const began = Date.now();
  agent.start();
  const healthy = await Promise.all(
    names.map((name) => ground.events.wait('health_status: healthy', name, began, 180_000)),
  );
  const tookMs = Math.max(...healthy.map(({ atMs }) => atMs)) - began;
  const starts = ground.events.events.filter(
    ({ action, name, atMs }) => action === 'start' && names.includes(name) && atMs >= began,
  );
  await ground.undo(agent);
  return { tookMs, wasted: starts.length - names.length };
}

/** @param {Ground} ground @param {BenchOptions} options @returns {Promise<Figure[]>} */
export async function coldstart(ground, { rounds }) {
  const few = Math.max(1, Math.min(5, rounds));
  /** @type {Figure[]} */
  const figures = [];
  for (const [how, extra] of /** @type {const} */ ([
    ['in order', ['--overlays', 'builtin:arrowhead']],
    ['all at once', []],
  ])) {
    const times = [];
    const wasted = [];
    for (let round = 0; round < few; round++) {
      const run = await once(ground, [...extra]);
      times.push(run.tookMs);
      wasted.push(run.wasted);
      console.log(`  ${how}: ${duration(run.tookMs)}, ${run.wasted} wasted starts`);
    }
    const target = { text: 'none', met: Math.max(...wasted) === 0 };
    figures.push({ name: `cold start of 7, ${how}`, unit: 'ms', values: times });
    figures.push({
      name: `wasted starts, ${how}`,
      unit: '',
      values: wasted,
      ...(how === 'in order' ? { target } : {}),
    });
  }
  return figures;
}
