// Gravitation between a few bodies: scalar double precision with square roots and divisions.
#include "kernel.h"
#include <math.h>

enum { BODIES = 5 };
static struct { double p[3], v[3], mass; } body[BODIES];

int main(int argc, char **argv)
{
    for (int i = 0; i < BODIES; i++) {
        body[i].mass = i == 0 ? 39.47 : 0.01 / (i + 0.3);
        for (int d = 0; d < 3; d++) {
            body[i].p[d] = i ? i * 5.3 / (d + 1.7) : 0;
            body[i].v[d] = i ? (d - 1) * 0.7 / i : 0;
        }
    }
    for (int step = rounds(argc, argv, 3000000); step > 0; step--) {
        for (int i = 0; i < BODIES; i++) {
            for (int j = i + 1; j < BODIES; j++) {
                double delta[3], square = 0.01;
                for (int d = 0; d < 3; d++) {
                    delta[d] = body[i].p[d] - body[j].p[d];
                    square += delta[d] * delta[d];
                }
                double force = 0.001 / (square * sqrt(square));
                for (int d = 0; d < 3; d++) {
                    body[i].v[d] -= delta[d] * body[j].mass * force;
                    body[j].v[d] += delta[d] * body[i].mass * force;
                }
            }
        }
        for (int i = 0; i < BODIES; i++)
            for (int d = 0; d < 3; d++)
                body[i].p[d] += 0.001 * body[i].v[d];
    }
    printf("%.17g %.17g\n", body[0].p[0], body[4].v[2]);
    return 0;
}
