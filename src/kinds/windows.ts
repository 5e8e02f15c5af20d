import { parseWindows, WINDOW_HINT, type Window, type Windows } from '../model/window.ts';
import { Fields, isObject } from './fields.ts';

/** Reads `update.windows` of a spec: lists `download` and `update`; undefined when it has neither. `readUpdate` notes what is
 *  wrong with `update` itself. */
export function readWindows(spec: Fields): Windows | undefined {
  const update = spec.raw('update');
  if (!isObject(update)) return undefined;
  const windows = new Fields(update, spec.at('update'), spec.problems).object('windows');
  if (windows === undefined) return undefined;
  const download = readList(windows, 'download');
  const change = readList(windows, 'update');
  windows.done('warning', { downloads: 'download', updates: 'update' });
  if (download === undefined && change === undefined) return undefined;
  return {
    ...(download === undefined ? {} : { download }),
    ...(change === undefined ? {} : { update: change }),
  };
}

function readList(fields: Fields, key: string): readonly Window[] | undefined {
  if (!fields.has(key)) return undefined;
  const value = fields.raw(key);
  const texts = typeof value === 'string' ? [value] : fields.texts(key, `a list such as [${WINDOW_HINT}]`);
  // What is wrong with the list or an item of it is noted.
  if (texts === undefined || (typeof value !== 'string' && !Array.isArray(value))) return undefined;
  if (Array.isArray(value) && texts.length < value.length) return undefined;
  if (texts.length === 0)
    return fields.refuse(key, 'must have a window, or be left out: then those of the node count');
  const parsed = parseWindows(texts);
  return parsed.ok ? parsed.windows : fields.refuse(key, `must ${parsed.problem}`);
}

/** All images of a version come together, and all of it changes together: an instance has no windows of its own. */
export function refuseWindows(instance: Fields): void {
  const update = instance.raw('update');
  if (!isObject(update) || update.windows === undefined) return;
  const path = `${instance.at('update')}.windows`;
  instance.problems.error(path, 'must stand at spec.update.windows: windows are for the whole blueprint');
}
