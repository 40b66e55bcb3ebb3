// What a person can be told in a sentence: `reason` names it in the texts, `facts` fill it in.
export class Problem extends Error {
  constructor(reason, facts = {}) {
    super(reason);
    this.reason = reason;
    this.facts = facts;
  }
}

// Any error as what can be sent between threads and told; what was not foreseen is a fault of ours, and "broken".
export function told(error) {
  if (error instanceof Problem) return { reason: error.reason, facts: error.facts };
  console.error(error);
  return { reason: error instanceof RangeError ? "memory" : "broken", facts: {} };
}
