// What the demo asks for: a small station with two sensors and a page. Everything is made on the spot.
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const NODE = 'colonies-edge-demo';
export const NETWORK = 'colonies-edge-demo';
export const IMAGE = 'colonies-edge-demo/tiny:1';
export const VOLUME = 'colonies-edge-demo-data';

/** A process that lives until it is told to stop, as a well-behaved service does. */
const WAIT = "trap 'exit 0' TERM; echo started; while :; do sleep 1 & wait $!; done";

/** @param {string} name @param {string} everySeconds */
const sensor = (name, everySeconds) => `    - name: ${name}
      type: container
      image: ${IMAGE}
      command: ["sh", "-c", "${WAIT}"]
      environment:
        EVERY_SECONDS: "${everySeconds}"
      resources:
        memory: 32Mi
`;

/** @param {string} humidityEverySeconds */
const sensors = (humidityEverySeconds) => `kind: DockerDeployment
metadata:
  name: demo-sensors
spec:
  instances:
${sensor('demo-temperature', '10')}${sensor('demo-humidity', humidityEverySeconds)}`;

const page = {
  kind: 'DockerDeployment',
  metadata: { name: 'demo-page' },
  spec: {
    instances: [
      {
        name: 'demo-page',
        type: 'container',
        image: IMAGE,
        command: ['httpd', '-f', '-p', '8080', '-h', '/srv'],
        ports: [{ container: 8080, protocol: 'tcp' }],
        volumes: [{ type: 'named', name: VOLUME, mountPath: '/data' }],
      },
    ],
  },
};

/** Names of the three containers. */
export const CONTAINERS = ['demo-temperature', 'demo-humidity', 'demo-page'];

/** Writes the directory of blueprints as it is at first. @param {string} folder */
export function writeBlueprints(folder) {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'sensors.yaml'), sensors('60'));
  writeFileSync(join(folder, 'page.json'), `${JSON.stringify(page, null, 2)}\n`);
}

/** Changes one line of one of two instances, as an editor does: a new file put in the place of the old one. @param {string} folder */
export function editBlueprints(folder) {
  const fresh = join(folder, '.sensors.yaml.new');
  writeFileSync(fresh, sensors('5'));
  renameSync(fresh, join(folder, 'sensors.yaml'));
}
