import * as v from 'valibot';

// Members that this version does not know are kept: a checkpoint of a slightly later agent loses nothing here.

export const text = v.string();
export const strings = v.array(text);
export const textMap = v.record(text, text);
export const count = v.pipe(v.number(), v.integer());

const port = v.looseObject({
  containerPort: count,
  protocol: v.picklist(['tcp', 'udp']),
  publish: v.boolean(),
  hostPort: v.exactOptional(count),
  hostIp: text,
});

const mount = v.variant('type', [
  v.looseObject({ type: v.literal('volume'), source: text, target: text, readOnly: v.boolean() }),
  v.looseObject({ type: v.literal('bind'), source: text, target: text, readOnly: v.boolean() }),
  v.looseObject({
    type: v.literal('tmpfs'),
    target: text,
    readOnly: v.boolean(),
    sizeBytes: v.exactOptional(v.number()),
    mode: v.exactOptional(text),
  }),
]);

const network = v.variant('mode', [
  v.looseObject({ mode: v.picklist(['host', 'none']) }),
  v.looseObject({ mode: v.literal('container'), container: text }),
  v.looseObject({ mode: v.literal('bridge') }),
  v.looseObject({
    mode: v.literal('network'),
    name: text,
    aliases: strings,
    create: v.boolean(),
    driver: text,
  }),
]);

const healthcheck = v.looseObject({
  test: strings,
  intervalMs: count,
  timeoutMs: count,
  retries: count,
  startPeriodMs: count,
  startIntervalMs: v.exactOptional(count),
});

/** A resolved container of the checkpoint (`model/container.ts`). */
export const containerSpec = v.looseObject({
  image: text,
  env: textMap,
  command: v.exactOptional(strings),
  entrypoint: v.exactOptional(strings),
  workingDir: v.exactOptional(text),
  user: v.exactOptional(text),
  hostname: v.exactOptional(text),
  labels: textMap,
  ports: v.array(port),
  mounts: v.array(mount),
  network,
  privileged: v.boolean(),
  init: v.exactOptional(v.boolean()),
  healthcheck: v.exactOptional(healthcheck),
  log: v.exactOptional(v.looseObject({ driver: text, options: textMap })),
  stopTimeoutS: v.exactOptional(v.number()),
  stopSignal: v.exactOptional(text),
  devices: v.exactOptional(
    v.array(v.looseObject({ hostPath: text, containerPath: text, permissions: text })),
  ),
  capAdd: v.exactOptional(strings),
  capDrop: v.exactOptional(strings),
  extraHosts: v.exactOptional(strings),
  readOnlyRootfs: v.exactOptional(v.boolean()),
  noNewPrivileges: v.exactOptional(v.boolean()),
  restart: v.looseObject({
    name: v.picklist(['no', 'always', 'unless-stopped', 'on-failure']),
    maxRetries: count,
  }),
  limits: v.looseObject({
    nanoCpus: v.exactOptional(v.number()),
    memoryBytes: v.exactOptional(v.number()),
    memorySwapBytes: v.exactOptional(v.number()),
    pidsLimit: v.exactOptional(v.number()),
  }),
});
