/** Whether a UTF-16 code unit belongs to a set. */
export type CharTest = (code: number) => boolean;

export type Anchor = 'start' | 'end' | 'endOrFinalNewline' | 'lineStart' | 'lineEnd' | 'wordEdge' | 'noWordEdge';

/** A regular expression, without what only matters to those who want to know what matched. */
export type Node =
  | { readonly kind: 'char'; readonly test: CharTest }
  | { readonly kind: 'anchor'; readonly at: Anchor }
  | { readonly kind: 'sequence'; readonly nodes: readonly Node[] }
  | { readonly kind: 'choice'; readonly nodes: readonly Node[] }
  | {
      readonly kind: 'repeat';
      readonly node: Node;
      readonly least: number;
      readonly most: number;
      readonly lazy: boolean;
    }
  /** `(?=…)`, `(?!…)`, `(?<=…)`, `(?<!…)` */
  | { readonly kind: 'look'; readonly node: Node; readonly behind: boolean; readonly negative: boolean }
  /** `(?>…)`: once matched, not tried in another way. */
  | { readonly kind: 'atomic'; readonly node: Node };

/** The expression is not valid, or uses something unsupported. The message says which. */
export class BadRegex extends Error {
  override readonly name = 'BadRegex';
}
