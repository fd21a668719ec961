/** The codecs of the package, which describes its main file only. */
declare module "wavefile/lib/codecs/*.js" {
  export function decodeSample(byte: number): number;
  export function encodeSample(sample: number): number;
}
