/** Ids that sort by the time when they were made, also within a millisecond; nobody can guess them. */
export const newId = (prefix: string) => `${prefix}_${Bun.randomUUIDv7("hex").replaceAll("-", "")}`;
