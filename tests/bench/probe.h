/* probe: what this CPU can do at most, measured: the floors that everything else is told in. */
#ifndef BENCH_PROBE_H
#define BENCH_PROBE_H

#include "../../lib/nn/nn.h"

typedef enum { PROBE_F32, PROBE_INT8, PROBE_READ, PROBES } probe_kind;
extern const char *const probe_names[PROBES]; /* "f32", "int8", "read" */

/* Operations a second of fused multiply-adds (each is two), of int8 products with their sums (0: no
 * VNNI), or bytes a second read from memory, by all threads of d together; the widest vectors. */
double probe_run(probe_kind kind, const emb_device *d);
/* What probe_run takes for a kind: "AVX-512 fused multiply-adds". */
const char *probe_what(probe_kind kind);

#endif
