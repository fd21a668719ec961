/** A file beside the program, or within it when it is compiled: its path. */
declare module "*.mp3" {
  const path: string;
  export default path;
}
