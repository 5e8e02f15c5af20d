import { deployment, executor, single } from '../support/blueprints.ts';

/** A document that is wrong in one place. */
export interface Refused {
  title: string;
  /** Fields of the only instance. */
  instance?: object;
  spec?: object;
  /** The whole document; `name` is what it is reported under. */
  document?: (name: string) => object;
  /** Where the fault is: path of the field. */
  path: string;
  message: RegExp;
  value?: RegExp;
  reason?: string;
}

const at = (field: string) => `spec.instances[0].${field}`;

/** What status must refuse, row by row of FIELDS.md; nothing of it may reach the engine. */
export const REFUSED: readonly Refused[] = [
  // 1
  {
    title: 'FIELDS 1 kind: an unknown kind',
    document: (name) => ({ ...single(name, 'x:1'), kind: 'Pod' }),
    path: 'kind',
    message: /must be "DockerDeployment" or "ExecutorDeployment"/,
    reason: 'UnsupportedKind',
  },
  {
    title: 'FIELDS 1 metadata.name: no DNS label',
    document: () => single('Not_A.label', 'x:1'),
    path: 'metadata.name',
    message: /must be a DNS label/,
  },
  {
    title: 'FIELDS 1 metadata.colonyname: another colony',
    document: (name) => deployment(name, [{ name, image: 'x:1' }], {}, { colonyname: 'other' }),
    path: 'metadata.colonyname',
    message: /must be "plant"/,
    reason: 'ForeignColony',
  },
  {
    title: 'FIELDS 1 metadata.generation: no whole number',
    document: (name) => deployment(name, [{ name, image: 'x:1' }], {}, { generation: 1.5 }),
    path: 'metadata.generation',
    message: /must be a whole number/,
  },
  {
    title: 'FIELDS 1 spec: is missing',
    document: (name) => ({ kind: 'DockerDeployment', metadata: { name } }),
    path: 'spec',
    message: /must be an object/,
  },
  // 2
  {
    title: 'FIELDS 2 instances: an empty list is an error, not "remove everything"',
    document: (name) => deployment(name, []),
    path: 'spec.instances',
    message: /at least one instance \(replicas: 0 is the way to remove containers\)/,
  },
  {
    title: 'FIELDS 2 instances: names that are not unique',
    document: (name) =>
      deployment(name, [
        { name: 'twice', image: 'x:1' },
        { name: 'twice', image: 'x:1' },
      ]),
    path: 'spec.instances[1].name',
    message: /second container "twice"/,
  },
  {
    title: 'FIELDS 2 instances: names that are not unique after the replicas are counted',
    document: (name) =>
      deployment(
        name,
        [
          { name: 'a-1', image: 'x:1' },
          { name: 'a-1-0', image: 'x:1' },
          { name: 'a', image: 'x:1' },
          { name: 'a-1', image: 'x:1' },
        ],
        { replicas: 2 },
      ),
    path: 'spec.instances[3].name',
    message: /second container "a-1-0"/,
  },
  {
    title: 'FIELDS 2 replicas: negative',
    spec: { replicas: -1 },
    path: 'spec.replicas',
    message: /whole number/,
  },
  {
    title: 'FIELDS 2 replicas: fractional',
    spec: { replicas: 1.5 },
    path: 'spec.replicas',
    message: /whole number/,
  },
  // 3.1
  {
    title: 'FIELDS 3.1 name: is missing',
    document: (name) => deployment(name, [{ image: 'x:1' }]),
    path: at('name'),
    message: /must be .*name/,
  },
  {
    title: 'FIELDS 3.1 name: what no container can be called',
    document: (name) => deployment(name, [{ name: '-bad name', image: 'x:1' }]),
    path: at('name'),
    message: /two or more letters, digits/,
    value: /-bad name/,
  },
  {
    title: 'FIELDS 3.1 type: anything but container',
    instance: { type: 'vm' },
    path: at('type'),
    message: /must be "container"/,
    value: /vm/,
  },
  {
    title: 'FIELDS 3.1 image: is missing',
    document: (name) => deployment(name, [{ name }]),
    path: at('image'),
    message: /image reference/,
  },
  {
    title: 'FIELDS 3.1 image: no reference',
    document: (name) => single(name, 'UPPER/Case:1'),
    path: at('image'),
    message: /./,
    reason: 'BadReference',
  },
  {
    title: 'FIELDS 3.1 environment: null',
    instance: { environment: { A: null } },
    path: at('environment.A'),
    message: /string, number or boolean/,
  },
  {
    title: 'FIELDS 3.1 environment: an object',
    instance: { environment: { A: {} } },
    path: at('environment.A'),
    message: /string, number or boolean/,
  },
  {
    title: 'FIELDS 3.1 envFile: is missing on the node',
    instance: { envFile: '/nowhere/file.env' },
    path: at('envFile'),
    message: /does not exist on this node/,
    reason: 'EnvFileMissing',
  },
  {
    title: 'FIELDS 3.1 command: no list',
    instance: { command: 'sleep 1' },
    path: at('command'),
    message: /list/,
  },
  {
    title: 'FIELDS 3.1 workingDir: relative',
    instance: { workingDir: 'srv' },
    path: at('workingDir'),
    message: /absolute/,
  },
  {
    title: 'FIELDS 3.1 hostname: no host name',
    instance: { hostname: 'a_b c' },
    path: at('hostname'),
    message: /host name/,
  },
  {
    title: 'FIELDS 3.1 privileged: no boolean',
    instance: { privileged: 'yes' },
    path: at('privileged'),
    message: /true or false/,
  },
  {
    title: 'FIELDS 3.1 labels: the reserved prefix, in any case',
    instance: { labels: { 'Colonies.managed': 'false' } },
    path: at('labels["Colonies.managed"]'),
    message: /must not start with "colonies\."/,
  },
  {
    title: 'FIELDS 3.1 labels: a number',
    instance: { labels: { a: 1 } },
    path: at('labels.a'),
    message: /must be a string/,
  },
  // 3.4
  {
    title: 'FIELDS 3.4 restartPolicy: a word nobody knows',
    instance: { restartPolicy: 'sometimes' },
    path: at('restartPolicy'),
    message: /"on-failure:N"/,
    value: /sometimes/,
  },
  {
    title: 'FIELDS 3.4 restartPolicy: a number of tries with always',
    instance: { restartPolicy: 'always:3' },
    path: at('restartPolicy'),
    message: /"on-failure:N"/,
  },
  // 4.1
  {
    title: 'FIELDS 4.1 container: is missing',
    instance: { ports: [{}] },
    path: at('ports[0].container'),
    message: /port number/,
  },
  {
    title: 'FIELDS 4.1 container: out of range',
    instance: { ports: [{ container: 65_536 }] },
    path: at('ports[0].container'),
    message: /65535/,
  },
  {
    title: 'FIELDS 4.1 container: a string',
    instance: { ports: [{ container: '80' }] },
    path: at('ports[0].container'),
    message: /whole number/,
  },
  {
    title: 'FIELDS 4.1 protocol: anything else',
    instance: { ports: [{ container: 80, protocol: 'sctp' }] },
    path: at('ports[0].protocol'),
    message: /"tcp" or "udp"/,
  },
  {
    title: 'FIELDS 4.1 hostIp: no address',
    instance: { ports: [{ container: 80, hostIp: 'localhost' }] },
    path: at('ports[0].hostIp'),
    message: /IP address/,
  },
  {
    title: 'FIELDS 4.1 containerEnd: more than 256 ports',
    instance: { ports: [{ container: 1000, containerEnd: 1256, host: 2000 }] },
    path: at('ports[0].containerEnd'),
    message: /at most 255/,
  },
  {
    title: 'FIELDS 4.1 host: fixed, with several replicas',
    instance: { ports: [{ container: 80, host: 2080 }] },
    spec: { replicas: 2 },
    path: at('ports[0]'),
    message: /must not fix host port 2080 with 2 replicas/,
  },
  {
    title: 'FIELDS 4.1 host: twice in one blueprint',
    document: (name) =>
      deployment(name, [
        { name: 'p-a', image: 'x:1', ports: [{ container: 80, host: 2080 }] },
        { name: 'p-b', image: 'x:1', ports: [{ container: 81, host: 2080 }] },
      ]),
    path: 'spec.instances[1].ports[0]',
    message: /must not use host port 2080\/tcp, which spec\.instances\[0\]\.ports\[0\] has already/,
  },
  // 4.2
  {
    title: 'FIELDS 4.2 type: anything else',
    instance: { volumes: [{ type: 'nfs', name: 'x', mountPath: '/x' }] },
    path: at('volumes[0].type'),
    message: /"named", "bind" or "tmpfs"/,
  },
  {
    title: 'FIELDS 4.2 type: is missing',
    instance: { volumes: [{ name: 'xx', mountPath: '/x' }] },
    path: at('volumes[0].type'),
    message: /"named", "bind" or "tmpfs"/,
  },
  {
    title: 'FIELDS 4.2 hostPath: relative',
    instance: { volumes: [{ type: 'bind', hostPath: './data', mountPath: '/x' }] },
    path: at('volumes[0].hostPath'),
    message: /absolute path of the host/,
  },
  {
    title: 'FIELDS 4.2 mountPath: relative',
    instance: { volumes: [{ type: 'named', name: 'xx', mountPath: 'x' }] },
    path: at('volumes[0].mountPath'),
    message: /absolute path in the container/,
  },
  {
    title: 'FIELDS 4.2 mountPath: the root',
    instance: { volumes: [{ type: 'named', name: 'xx', mountPath: '/.' }] },
    path: at('volumes[0].mountPath'),
    message: /root of the container/,
  },
  {
    title: 'FIELDS 4.2 name: a path as the name of a volume',
    instance: { volumes: [{ type: 'named', name: './x', mountPath: '/x' }] },
    path: at('volumes[0].name'),
    message: /not a path/,
  },
  {
    title: 'FIELDS 4.2 hostPath: the state directory of the agent',
    instance: { volumes: [{ type: 'bind', hostPath: 'STATE/slot-a', mountPath: '/x' }] },
    path: at('volumes[0].hostPath'),
    message: /belongs to the agent itself/,
    reason: 'PolicyRefused',
  },
  {
    title: 'FIELDS 4.2 tmpfs: an option that is none',
    instance: { tmpfs: ['/run:size=lots'] },
    path: at('tmpfs[0]'),
    message: /size=16m/,
  },
  // 4.3
  {
    title: 'FIELDS 4.3 test: is missing',
    instance: { healthcheck: { interval: '5s' } },
    path: at('healthcheck.test'),
    message: /a command as text/,
  },
  {
    title: 'FIELDS 4.3 interval: no duration',
    instance: { healthcheck: { test: 'true', interval: '5 apples' } },
    path: at('healthcheck.interval'),
    message: /duration such as "1m30s"/,
  },
  {
    title: 'FIELDS 4.3 interval: below a millisecond',
    instance: { healthcheck: { test: 'true', interval: '10us' } },
    path: at('healthcheck.interval'),
    message: /at least 1ms/,
  },
  {
    title: 'FIELDS 4.3 probe: neither tcp nor http',
    instance: { probe: { interval: '5s' } },
    path: at('probe'),
    message: /either tcp or http/,
  },
  // 4.4
  {
    title: 'FIELDS 4.4 network.name: a network of the engine itself',
    spec: { network: { name: 'host' } },
    path: 'spec.network.name',
    message: /use networkMode/,
  },
  {
    title: 'FIELDS 4.4 networkMode none: a port that would have to move',
    instance: { networkMode: 'none', ports: [{ container: 80, host: 8080 }] },
    path: at('ports[0]'),
    message: /must not move port 80 to 8080: networkMode "none" publishes no ports/,
  },
  {
    title: 'FIELDS 4.4 networkMode container: with a hostname of its own',
    instance: { networkMode: 'container:other', hostname: 'mine' },
    path: at('hostname'),
    message: /must be left out with networkMode "container:"/,
  },
  // 4.5
  {
    title: 'FIELDS 4.5 memory: below 6 MiB',
    instance: { resources: { memory: '4Mi' } },
    path: at('resources.memory'),
    message: /at least 6 MiB/,
  },
  {
    title: 'FIELDS 4.5 memory: no amount',
    instance: { resources: { memory: 'much' } },
    path: at('resources.memory'),
    message: /amount of memory/,
  },
  {
    title: 'FIELDS 4.5 cpus: none',
    instance: { resources: { cpus: '0' } },
    path: at('resources.cpus'),
    message: /0\.01 cores/,
  },
  {
    title: 'FIELDS 4.5 memorySwap: without memory',
    instance: { resources: { memorySwap: '1g' } },
    path: at('resources.memorySwap'),
    message: /must come with memory/,
  },
  // 5
  {
    title: 'FIELDS 5 dependsOn: a cycle is named',
    document: (name) =>
      deployment(name, [
        { name: 'd-a', image: 'x:1', dependsOn: ['d-b'] },
        { name: 'd-b', image: 'x:1', dependsOn: [{ name: 'd-c', condition: 'started' }] },
        { name: 'd-c', image: 'x:1', dependsOn: ['d-a'] },
      ]),
    path: 'spec',
    message: /dependsOn must not form a cycle: d-a -> d-b -> d-c -> d-a/,
  },
  {
    title: 'FIELDS 5 dependsOn: a condition nobody knows',
    instance: { dependsOn: [{ name: 'x', condition: 'happy' }] },
    path: at('dependsOn[0].condition'),
    message: /"started", "healthy" or "completed"/,
  },
  // 6
  {
    title: 'FIELDS 6.1 image: is missing',
    document: (name) => executor(name, { executorType: 't' }),
    path: 'spec.image',
    message: /image reference/,
  },
  {
    title: 'FIELDS 6.1 replicas: negative',
    document: (name) => executor(name, { image: 'x:1', executorType: 't', replicas: -1 }),
    path: 'spec.replicas',
    message: /whole number/,
  },
  {
    title: "FIELDS 6.2 env: the colony owner's key",
    document: (name) =>
      executor(name, { image: 'x:1', executorType: 't', env: { COLONIES_COLONY_PRVKEY: 'a' } }),
    path: 'spec.env.COLONIES_COLONY_PRVKEY',
    message: /owner's key never goes to an executor/,
  },
  {
    title: 'FIELDS 4.1 executor ports: fixed ports with several replicas',
    document: (name) =>
      executor(name, { image: 'x:1', executorType: 't', replicas: 2, ports: [{ port: 80 }] }),
    path: 'spec.ports[0]',
    message: /must not fix host port 80 with 2 replicas/,
  },
  // Policy
  {
    title: 'policy allowPrivileged: false',
    instance: { privileged: true },
    path: at('privileged'),
    message: /not allowed by the policy/,
    reason: 'PolicyRefused',
  },
  {
    title: 'policy allowHostNetwork: false',
    instance: { networkMode: 'host' },
    path: at('networkMode'),
    message: /not allowed by the policy/,
    reason: 'PolicyRefused',
  },
  {
    title: 'policy allowedBindPrefixes: a bind outside of them',
    instance: { volumes: [{ type: 'bind', hostPath: '/etc', mountPath: '/x', readOnly: true }] },
    path: at('volumes[0].hostPath'),
    message: /outside of what the policy allows/,
    reason: 'PolicyRefused',
  },
  {
    title: 'policy allowedImages: an image that is not among them',
    document: (name) => single(name, 'registry.example/evil:1'),
    path: at('image'),
    message: /not among the images the policy allows/,
    reason: 'PolicyRefused',
  },
  {
    title: 'policy allowedCapabilities: a capability that is not among them',
    instance: { capAdd: ['SYS_ADMIN'] },
    path: at('capAdd[0]'),
    message: /./,
    reason: 'PolicyRefused',
  },
];
