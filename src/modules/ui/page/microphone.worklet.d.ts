/** Imported as a file: its URL, for addModule(). */
declare const url: string;
export default url;
