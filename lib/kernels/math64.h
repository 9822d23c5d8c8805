/* math64: exp, log, sine and cosine in double, for tables made while opening a model or an image:
 * the C library's differ between systems, these do not. Errors stay within 2e-16 of the value (of 1,
 * for sine and cosine). */
#ifndef EMB_MATH64_H
#define EMB_MATH64_H

double emb_exp64(double x); /* |x| <= 700 */
double emb_log64(double x); /* x > 0, normal */
double emb_sin64(double x); /* |x| <= 1.6e6; within 2e-8 of it up to 2^28 */
double emb_cos64(double x);

#endif
