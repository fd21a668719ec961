/** Imported as text: a compiled program carries them. */
declare module "*.lua" {
  const source: string;
  export default source;
}
