// The CRC32 and CRC32C instructions against a table in C; the host build uses the table for both.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#ifdef __ARM_FEATURE_CRC32
#include <arm_acle.h>
#endif

static uint32_t by_table(uint32_t crc, const unsigned char *data, size_t length, uint32_t polynomial)
{
    for (size_t i = 0; i < length; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? polynomial : 0);
    }
    return crc;
}

#ifdef __ARM_FEATURE_CRC32
#define STEP(C, TYPE, SUFFIX)                                                                                        \
    while (length >= sizeof(TYPE)) {                                                                                 \
        TYPE value;                                                                                                  \
        memcpy(&value, data, sizeof value);                                                                          \
        crc = __crc32##C##SUFFIX(crc, value);                                                                        \
        data += sizeof value;                                                                                        \
        length -= sizeof value;                                                                                      \
        if (sizeof value < 8 && (length & sizeof value) == 0)                                                        \
            break;                                                                                                   \
    }
static uint32_t crc32(uint32_t crc, const unsigned char *data, size_t length)
{
    STEP(, uint64_t, d) STEP(, uint32_t, w) STEP(, uint16_t, h) STEP(, uint8_t, b)
    return crc;
}

static uint32_t crc32c(uint32_t crc, const unsigned char *data, size_t length)
{
    STEP(c, uint64_t, d) STEP(c, uint32_t, w) STEP(c, uint16_t, h) STEP(c, uint8_t, b)
    return crc;
}
#else
static uint32_t crc32(uint32_t crc, const unsigned char *data, size_t length)
{
    return by_table(crc, data, length, 0xedb88320);
}

static uint32_t crc32c(uint32_t crc, const unsigned char *data, size_t length)
{
    return by_table(crc, data, length, 0x82f63b78);
}
#endif

int main(void)
{
    static unsigned char data[4096];
    for (int i = 0; i < 4096; i++)
        data[i] = i * 7 + (i >> 5);
    int wrong = 0;
    for (int length = 0; length < 4096; length += 1 + length / 16) {
        uint32_t a = crc32(~0u, data, length), b = crc32c(~0u, data, length);
        wrong += a != by_table(~0u, data, length, 0xedb88320) || b != by_table(~0u, data, length, 0x82f63b78);
        printf("%d %08x %08x\n", length, ~a, ~b);
    }
    printf("check value %08x (cbf43926), %08x (e3069283), wrong %d\n", ~crc32(~0u, (const unsigned char *)"123456789", 9),
           ~crc32c(~0u, (const unsigned char *)"123456789", 9), wrong);
    return 0;
}
