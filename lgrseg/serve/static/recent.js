/** Keeps the values that were used last; each is made once, also when two ask at the same time. */
export class Recent {
  /**
   * @param {number} limit number of values that are kept
   * @param {function} dispose called with a value that is dropped
   */
  constructor(limit, dispose = () => {}) {
    Object.assign(this, { limit, dispose });
    this.entries = new Map();
  }

  /** Get a value, which `make` gives as a promise if it is not there. */
  get(key, make) {
    let entry = this.entries.get(key);
    if (entry) {
      this.entries.delete(key);
    } else {
      entry = { value: undefined };
      entry.promise = make().then(
        (value) => (entry.value = value),
        (error) => {
          if (this.entries.get(key) === entry) this.entries.delete(key);
          throw error;
        },
      );
    }
    this.entries.set(key, entry);
    this.trim();
    return entry.promise;
  }

  /** The value if it is there now, else undefined. */
  peek(key) {
    return this.entries.get(key)?.value;
  }

  trim() {
    for (const [key, entry] of this.entries) {
      if (this.entries.size <= this.limit) return;
      this.entries.delete(key);
      entry.promise.then(this.dispose, () => {});
    }
  }
}
