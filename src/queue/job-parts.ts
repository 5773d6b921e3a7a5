/** What BullMQ keeps of one job besides its hash and its lock: the last part of the keys, after the id. */
export const JOB_PARTS = ['logs', 'dependencies', 'processed', 'failed', 'unsuccessful'] as const;
