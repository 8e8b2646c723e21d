import { hash32 } from './hash32.ts';

type Node<Item> = {
  readonly id: string;
  readonly item: Item;
  readonly priority: number;
  weight: number;
  /** Of the whole subtree. */
  sum: number;
  left: Node<Item> | undefined;
  right: Node<Item> | undefined;
  parent: Node<Item> | undefined;
};

const sumOf = <Item>(node: Node<Item> | undefined): number => node?.sum ?? 0;

const isAbove = <Item>(a: Node<Item>, b: Node<Item>): boolean =>
  a.priority > b.priority || (a.priority === b.priority && a.id < b.id);

const first = <Item>(from: Node<Item> | undefined): Node<Item> | undefined => {
  let node = from;
  while (node && node.sum > 0) {
    if (sumOf(node.left) > 0) node = node.left;
    else if (node.weight > 0) return node;
    else node = node.right;
  }
  return undefined;
};

/** Only the subtree in which the id would be can be searched in vain. */
const firstAfter = <Item>(node: Node<Item> | undefined, id: string): Node<Item> | undefined => {
  if (!node || node.sum === 0) return undefined;
  if (node.id <= id) return firstAfter(node.right, id);
  return firstAfter(node.left, id) ?? (node.weight > 0 ? node : first(node.right));
};

/**
 * Items with weights in the order of their ids: draws one by weight, or finds the next after an id that has a weight, in O(log n). A treap
 * whose priorities are hashes of the ids: its shape, and with it the rounding of the sums, follows from what is in it and not from the
 * order of arrival, so that two trees with the same items draw alike.
 */
export class SumTree<Item> {
  readonly #nodes = new Map<string, Node<Item>>();
  #root: Node<Item> | undefined;

  get total(): number {
    return sumOf(this.#root);
  }

  /** Of the deepest item; about 3 log n. */
  get depth(): number {
    const below = (node: Node<Item> | undefined): number =>
      node ? 1 + Math.max(below(node.left), below(node.right)) : 0;
    return below(this.#root);
  }

  weightOf(id: string): number {
    return this.#nodes.get(id)?.weight ?? 0;
  }

  /** An item that is there already keeps its place; one of weight 0 is never found. */
  set(id: string, item: Item, weight: number): void {
    const known = this.#nodes.get(id);
    if (known) {
      if (known.weight === weight) return;
      known.weight = weight;
      this.#sumUp(known);
      return;
    }
    const node: Node<Item> = {
      id,
      item,
      priority: hash32(id),
      weight,
      sum: weight,
      left: undefined,
      right: undefined,
      parent: undefined,
    };
    this.#nodes.set(id, node);
    this.#insert(node);
  }

  delete(id: string): void {
    const node = this.#nodes.get(id);
    if (!node) return;
    this.#nodes.delete(id);
    while (node.left || node.right) {
      const { left, right } = node;
      const riser = left && (!right || isAbove(left, right)) ? left : (right as Node<Item>);
      this.#lift(riser);
    }
    const { parent } = node;
    this.#replace(node, undefined);
    if (parent) this.#sumUp(parent);
  }

  /** The item at a point of the line on which each has its weight as length; undefined when nothing has a weight. */
  at(point: number): { readonly id: string; readonly item: Item } | undefined {
    let node = this.#root;
    let left = point;
    while (node && node.sum > 0) {
      const before = sumOf(node.left);
      const isLast = sumOf(node.right) === 0;
      // Rounding may lead past the end of a subtree: its last item is meant then.
      if (before > 0 && (left < before || (isLast && node.weight === 0))) {
        node = node.left;
        continue;
      }
      left -= before;
      if (node.weight > 0 && (left < node.weight || isLast)) return node;
      left -= node.weight;
      node = node.right;
    }
    return undefined;
  }

  /** The first with a weight whose id comes after this one, or the first of all without one. */
  after(id: string | undefined): { readonly id: string; readonly item: Item } | undefined {
    return id === undefined ? first(this.#root) : firstAfter(this.#root, id);
  }

  #sumUp(from: Node<Item>): void {
    for (let node: Node<Item> | undefined = from; node; node = node.parent)
      node.sum = sumOf(node.left) + node.weight + sumOf(node.right);
  }

  #insert(node: Node<Item>): void {
    let parent: Node<Item> | undefined;
    for (let at = this.#root; at; at = node.id < at.id ? at.left : at.right) parent = at;
    node.parent = parent;
    if (!parent) this.#root = node;
    else if (node.id < parent.id) parent.left = node;
    else parent.right = node;
    while (node.parent && isAbove(node, node.parent)) this.#lift(node);
    this.#sumUp(node);
  }

  /** Rotates a node above its parent. */
  #lift(node: Node<Item>): void {
    const parent = node.parent as Node<Item>;
    this.#replace(parent, node);
    if (parent.left === node) {
      parent.left = node.right;
      if (parent.left) parent.left.parent = parent;
      node.right = parent;
    } else {
      parent.right = node.left;
      if (parent.right) parent.right.parent = parent;
      node.left = parent;
    }
    parent.parent = node;
    parent.sum = sumOf(parent.left) + parent.weight + sumOf(parent.right);
    node.sum = sumOf(node.left) + node.weight + sumOf(node.right);
  }

  #replace(node: Node<Item>, by: Node<Item> | undefined): void {
    const { parent } = node;
    if (!parent) this.#root = by;
    else if (parent.left === node) parent.left = by;
    else parent.right = by;
    if (by) by.parent = parent;
  }
}
