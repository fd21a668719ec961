/** A page of things as OpenAI's lists are written. */
export const listObject = <T extends { readonly id: string }>(data: readonly T[], hasMore: boolean) => ({
  object: "list",
  data,
  first_id: data[0]?.id ?? null,
  last_id: data.at(-1)?.id ?? null,
  has_more: hasMore,
});
