/** Scripts are imported as text, so that a compiled program has them in it. */
declare module "*.lua" {
  const text: string;
  export default text;
}
