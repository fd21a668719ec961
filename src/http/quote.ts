const maxCharacters = 60;

/** A client's text as it may stand in an error message: quoted, control characters escaped, short. */
export function quote(text: string): string {
  return JSON.stringify(text.length > maxCharacters ? `${text.slice(0, maxCharacters)}…` : text);
}
