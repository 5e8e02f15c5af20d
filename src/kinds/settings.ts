import { ipVersion } from '../base/ip.ts';
import { normalizePath } from '../base/posix-path.ts';
import {
  type ContainerSpec,
  type DeviceSpec,
  type LogSpec,
  RESERVED_LABEL_PREFIX,
} from '../model/container.ts';
import { Fields, isObject, type Located } from './fields.ts';
import { capabilityName, capabilityRefusal, deviceRefusal } from './policy.ts';
import { decimalText } from './quantity.ts';
import type { Scope } from './scope.ts';

/** Reads `labels`; the reserved prefix is refused, because such a label could hide a container from its agent. */
export function readLabels(fields: Fields): Readonly<Record<string, string>> {
  const labels: [string, string][] = [];
  for (const { key, value, path } of fields.entries('labels', 'an object of names and strings')) {
    if (key.toLowerCase().startsWith(RESERVED_LABEL_PREFIX))
      fields.problems.error(path, `must not start with "${RESERVED_LABEL_PREFIX}", which is the agent's own`);
    else if (key === '') fields.problems.error(path, 'must have a name');
    else if (typeof value === 'string') labels.push([key, value]);
    else fields.problems.error(path, 'must be a string (write numbers and booleans in quotes)', { value });
  }
  return Object.fromEntries(labels);
}

/** Reads `logging`: driver and options; undefined when it is absent. */
export function readLogging(fields: Fields): LogSpec | undefined {
  const logging = fields.object('logging');
  if (logging === undefined) return undefined;
  const driver = logging.text('driver', 'a log driver such as "json-file"') ?? 'json-file';
  const options: [string, string][] = [];
  for (const { key, value, path } of logging.entries('options')) {
    if (typeof value === 'string' || typeof value === 'boolean') options.push([key, String(value)]);
    else if (typeof value === 'number') options.push([key, decimalText(value)]);
    else fields.problems.error(path, 'must be a string', { value });
  }
  logging.done('warning', { type: 'driver', config: 'options' });
  return { driver, options: Object.fromEntries(options) };
}

/** Linux signal names without `SIG` (signal(7)). */
const SIGNALS = new Set(
  (
    'ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT SEGV STKFLT STOP SYS TERM ' +
    'TRAP TSTP TTIN TTOU URG USR1 USR2 VTALRM WINCH XCPU XFSZ RTMIN RTMAX'
  ).split(' '),
);

/** Reads `stopSignal`: a name with or without `SIG`, or a number. */
export function readStopSignal(fields: Fields): string | undefined {
  const hint = 'a signal such as "SIGTERM" or "SIGINT"';
  const value = fields.text('stopSignal', hint);
  if (value === undefined) return undefined;
  const name = value.toUpperCase().replace(/^SIG/, '');
  const valid = /^\d+$/.test(name)
    ? Number(name) >= 1 && Number(name) <= 64
    : SIGNALS.has(name.replace(/^(RTMIN)\+\d{1,2}$|^(RTMAX)-\d{1,2}$/, '$1$2'));
  return valid ? value : fields.refuse('stopSignal', `must be ${hint}`);
}

/** Reads what a container may do to its host, and holds it against the policy. */
export function readRights(
  fields: Fields,
  scope: Scope,
): Pick<ContainerSpec, 'privileged' | 'devices' | 'capAdd' | 'capDrop' | 'extraHosts' | 'readOnlyRootfs'> {
  const { policy } = scope.context;
  const privileged = fields.bool('privileged') ?? false;
  if (privileged && !policy.allowPrivileged)
    fields.problems.error(
      fields.at('privileged'),
      'is not allowed by the policy (allowPrivileged: false)',
      { value: true },
      'PolicyRefused',
    );
  const devices = fields
    .list('devices', 'a list such as ["/dev/ttyUSB0"]')
    .flatMap((item) => readDevice(item, fields, scope));
  const capAdd = readCapabilities(fields, 'capAdd');
  capAdd.forEach((name, i) => {
    const refusal = capabilityRefusal(policy, name);
    if (refusal !== undefined)
      fields.problems.error(`${fields.at('capAdd')}[${i}]`, refusal, { value: name }, 'PolicyRefused');
  });
  const capDrop = readCapabilities(fields, 'capDrop');
  const extraHosts = readExtraHosts(fields);
  const readOnlyRootfs = fields.bool('readOnlyRootFilesystem');
  return {
    privileged,
    ...(devices.length === 0 ? {} : { devices }),
    ...(capAdd.length === 0 ? {} : { capAdd }),
    ...(capDrop.length === 0 ? {} : { capDrop }),
    ...(extraHosts.length === 0 ? {} : { extraHosts }),
    ...(readOnlyRootfs === undefined ? {} : { readOnlyRootfs }),
  };
}

const PERMISSIONS = /^(?!.*(.).*\1)[rwm]{1,3}$/;

/** `"/dev/x"`, `"/dev/x:/dev/y:rw"`, or `{hostPath, containerPath, permissions}`. */
function readDevice({ value, path }: Located, fields: Fields, scope: Scope): DeviceSpec[] {
  const { problems } = fields;
  let parts: readonly (string | undefined)[];
  if (isObject(value)) {
    const item = new Fields(value, path, problems);
    parts = [item.requiredText('hostPath'), item.text('containerPath'), item.text('permissions')];
    item.done();
  } else parts = typeof value === 'string' ? value.split(':') : [];
  const [host = '', second, third, ...more] = parts;
  const onlyPermissions = third === undefined && second !== undefined && PERMISSIONS.test(second);
  const inside = second === undefined || onlyPermissions ? host : second;
  const permissions = (onlyPermissions ? second : third) ?? 'rwm';
  const valid = host.startsWith('/') && inside.startsWith('/') && PERMISSIONS.test(permissions);
  if (!valid || more.length > 0) {
    problems.error(path, 'must be a device such as "/dev/ttyUSB0" or "/dev/ttyUSB0:/dev/tty0:rw"', { value });
    return [];
  }
  const hostPath = normalizePath(host);
  const refusal = deviceRefusal(scope.context.policy, hostPath);
  if (refusal !== undefined) problems.error(path, refusal, { value: hostPath }, 'PolicyRefused');
  return [{ hostPath, containerPath: normalizePath(inside), permissions }];
}

function readCapabilities(fields: Fields, key: string): readonly string[] {
  return (fields.texts(key) ?? []).map((text, i) => {
    if (!/^\w+$/.test(text))
      fields.problems.error(`${fields.at(key)}[${i}]`, 'must be a capability such as "NET_ADMIN"', {
        value: text,
      });
    return capabilityName(text);
  });
}

/** `["name:address"]` or `{"name": "address"}`; the address `host-gateway` stands for the host. */
function readExtraHosts(fields: Fields): readonly string[] {
  const items: readonly Located[] = isObject(fields.raw('extraHosts'))
    ? fields.entries('extraHosts').map(({ key, value, path }) => ({
        path,
        value: typeof value === 'string' ? `${key}:${value}` : value,
      }))
    : fields.list('extraHosts', 'a list such as ["plc:192.168.1.20"]');
  return items.flatMap(({ value, path }) => {
    const match = typeof value === 'string' ? /^([\w.-]+):(.+)$/s.exec(value) : null;
    const address = match?.[2] ?? '';
    if (match !== null && (address === 'host-gateway' || ipVersion(address) !== 0)) return [match[0]];
    fields.problems.error(path, 'must be "name:address" with an IP address or "host-gateway"', { value });
    return [];
  });
}
