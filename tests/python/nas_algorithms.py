"""The NAS security algorithms of TS 33.401 annex B, and its key derivations, written from the specifications.

PyPI has no implementation of SNOW 3G and ZUC that pycrate could use; OpenSSL (by way of `cryptography`) has AES. They
judge another implementation, so there is nothing of it here. Run by itself, this file checks itself against the test
sets of the specifications.
"""

import hashlib
import hmac

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

WORD = 0xFFFFFFFF


def words(octets):
    return [int.from_bytes(octets[at : at + 4], "big") for at in range(0, len(octets), 4)]


def xor(octets, stream):
    return bytes(a ^ b for a, b in zip(octets, stream))


def rotated(word, by):
    return (word << by | word >> (32 - by)) & WORD


def product(a, b, polynomial, width=8):
    """In GF(2^width)."""
    result = 0
    while b:
        if b & 1:
            result ^= a
        a <<= 1
        if a >> width:
            a ^= polynomial
        b >>= 1
    return result


def power(base, exponent, polynomial):
    result = 1
    for _ in range(exponent):
        result = product(result, base, polynomial)
    return result


def affine(value, columns, constant):
    for bit, column in enumerate(columns):
        if value >> bit & 1:
            constant ^= column
    return constant


def inverse(value, polynomial):
    return power(value, 254, polynomial)


# SNOW 3G, ETSI/SAGE document 2: SR is the S-box of Rijndael, SQ comes from a Dickson polynomial.
SR = bytes(
    affine(inverse(x, 0x11B), [0x1F, 0x3E, 0x7C, 0xF8, 0xF1, 0xE3, 0xC7, 0x8F], 0x63) for x in range(256)
)


def dickson(x):
    powers = [1]
    for _ in range(49):
        powers.append(product(powers[-1], x, 0x169))
    result = 0x25
    for exponent in (1, 9, 13, 15, 33, 41, 45, 47, 49):
        result ^= powers[exponent]
    return result


SQ = bytes(dickson(x) for x in range(256))


def times(value, constant):
    value <<= 1
    return (value ^ constant) & 0xFF if value & 0x100 else value


def column(box, constant):
    """The four rows of S1 and S2, looked up by octet."""
    tables = [[], [], [], []]
    for value in range(256):
        s = box[value]
        d = times(s, constant)
        first = d << 24 | (d ^ s) << 16 | s << 8 | s
        for row in range(4):
            tables[row].append(rotated(first, 32 - 8 * row))
    return tables


def substituted(word, tables):
    return (
        tables[0][word >> 24]
        ^ tables[1][word >> 16 & 255]
        ^ tables[2][word >> 8 & 255]
        ^ tables[3][word & 255]
    )


S1, S2 = column(SR, 0x1B), column(SQ, 0x69)


def repeated(value, times_, constant):
    for _ in range(times_):
        value = times(value, constant)
    return value


def quartet(exponents):
    return [
        int.from_bytes(bytes(repeated(octet, exponent, 0xA9) for exponent in exponents), "big")
        for octet in range(256)
    ]


MUL_ALPHA, DIV_ALPHA = quartet((23, 245, 48, 239)), quartet((16, 39, 6, 64))


def snow3g(key, iv, count):
    """`count` words; the key's words k0 to k3 and IV0 to IV3 are numbered as the document does."""
    k, one = key, [word ^ WORD for word in key]
    s = one[0:4] + k[0:4] + one[0:4] + k[0:4]
    s[15] ^= iv[0]
    s[12] ^= iv[1]
    s[10] ^= iv[2]
    s[9] ^= iv[3]
    r1 = r2 = r3 = 0
    stream = []
    for clock in range(-32, count + 1):
        f = (s[15] + r1 & WORD) ^ r2
        r = r2 + (r3 ^ s[5]) & WORD
        r3, r2, r1 = substituted(r2, S2), substituted(r1, S1), r
        if clock > 0:
            stream.append(f ^ s[0])
        v = (s[0] << 8 & WORD) ^ MUL_ALPHA[s[0] >> 24] ^ s[2] ^ (s[11] >> 8) ^ DIV_ALPHA[s[11] & 255]
        s = s[1:] + [v ^ f if clock < 0 else v]
    return stream


def eea1(key, count, bearer, direction, octets):
    second = bearer << 27 | direction << 26
    stream = snow3g(words(key)[::-1], [second, count, second, count], (len(octets) + 3) // 4)
    return xor(octets, b"".join(word.to_bytes(4, "big") for word in stream))


def eia1(key, count, bearer, direction, octets):
    fresh = bearer << 27
    iv = [fresh ^ direction << 15, count ^ direction << 31, fresh, count]
    z = snow3g(words(key)[::-1], iv, 5)
    p, q = z[0] << 32 | z[1], z[2] << 32 | z[3]
    value = 0
    for at in range(0, len(octets), 8):
        block = int.from_bytes(octets[at : at + 8].ljust(8, b"\0"), "big")
        value = product(value ^ block, p, 1 << 64 | 0x1B, 64)
    value = product(value ^ len(octets) * 8, q, 1 << 64 | 0x1B, 64)
    return (value >> 32 ^ z[4]).to_bytes(4, "big")


# 128-EEA2 and 128-EIA2 are AES in counter mode and CMAC.
def block(count, bearer, direction):
    return count.to_bytes(4, "big") + bytes([bearer << 3 | direction << 2, 0, 0, 0])


def eea2(key, count, bearer, direction, octets):
    counter = block(count, bearer, direction) + bytes(8)
    encryptor = Cipher(algorithms.AES(key), modes.CTR(counter)).encryptor()
    return encryptor.update(octets) + encryptor.finalize()


def eia2(key, count, bearer, direction, octets):
    mac = CMAC(algorithms.AES(key))
    mac.update(block(count, bearer, direction) + octets)
    return mac.finalize()[:4]


# ZUC, ETSI/SAGE EEA3 and EIA3 document 2: S0 is given as a table, S1 is affine to the inverse.
ZUC_S0 = bytes.fromhex(
    "3e725b47cae0003304d1549809b96dcb7b1bf932af9d6aa5b82dfc1d08530390"
    "4d4e8499e4ced991ddb685488b296eaccdc1f81e734369c6b5bdfd396320d438"
    "767db2a7cfed57c5f32cbb142106559be3ef5e314f7f5aa40d8251495fba581c"
    "4a16d517a892241f8cffd8ae2e01d3ad3b4bda46ebc9de9a8f87d73a806f2fc8"
    "b1b437f70a2213287ccc3c89c7c3965607bf7ef00b2b975235417961a64c10fe"
    "bc2695888ab0a3fbc01894f2e1e5e95dd0dc1166645cec59427512f5749caa23"
    "0e86abbe2a02e767e644a26cc2939ff1f6fa36d250689e6271153dd640c4e20f"
    "8e83776b25053f0c30ea70b7a1e8a9658d271adb81b3a0f4457a19dfee783460"
)
ZUC_S1 = bytes(affine(inverse(x, 0x18B), [151, 62, 109, 203, 238, 221, 187, 119], 0x55) for x in range(256))
ZUC_D = words(
    bytes.fromhex(
        "000044d7000026bc0000626b0000135e00005789000035e200007135000009af"
        "00004d7800002f1300006bc400001af100005e2600003c4d0000789a000047ac"
    )
)
PRIME = 0x7FFFFFFF


def boxes(word):
    return (
        ZUC_S0[word >> 24] << 24
        | ZUC_S1[word >> 16 & 255] << 16
        | ZUC_S0[word >> 8 & 255] << 8
        | ZUC_S1[word & 255]
    )


def zuc(key, iv, count):
    s = [key[i] << 23 | ZUC_D[i] << 8 | iv[i] for i in range(16)]
    r1 = r2 = 0
    stream = []
    for clock in range(-32, count + 1):
        x0 = (s[15] & 0x7FFF8000) << 1 | s[14] & 0xFFFF
        x1 = (s[11] & 0xFFFF) << 16 | s[9] >> 15
        x2 = (s[7] & 0xFFFF) << 16 | s[5] >> 15
        x3 = (s[2] & 0xFFFF) << 16 | s[0] >> 15
        w = (x0 ^ r1) + r2 & WORD
        w1, w2 = r1 + x1 & WORD, r2 ^ x2
        u, v = (w1 << 16 | w2 >> 16) & WORD, (w2 << 16 | w1 >> 16) & WORD
        r1 = boxes(u ^ rotated(u, 2) ^ rotated(u, 10) ^ rotated(u, 18) ^ rotated(u, 24))
        r2 = boxes(v ^ rotated(v, 8) ^ rotated(v, 14) ^ rotated(v, 22) ^ rotated(v, 30))
        if clock > 0:
            stream.append(w ^ x3)
        fed = (s[15] << 15) + (s[13] << 17) + (s[10] << 21) + (s[4] << 20) + s[0] * 257
        if clock < 0:
            fed += w >> 1
        s = s[1:] + [fed % PRIME or PRIME]
    return stream


def eea3(key, count, bearer, direction, octets):
    stream = zuc(key, block(count, bearer, direction) * 2, (len(octets) + 3) // 4)
    return xor(octets, b"".join(word.to_bytes(4, "big") for word in stream))


def eia3(key, count, bearer, direction, octets):
    iv = bytearray(block(count, bearer, 0) * 2)
    iv[8] ^= direction << 7
    iv[14] ^= direction << 7
    length = len(octets) * 8
    stream = zuc(key, iv, (length + 31) // 32 + 2)
    bits = 0
    for word in stream:
        bits = bits << 32 | word
    size = len(stream) * 32
    from_bit = lambda at: bits >> (size - 32 - at) & WORD
    tag = 0
    for at in range(length):
        if octets[at >> 3] >> (7 - (at & 7)) & 1:
            tag ^= from_bit(at)
    return (tag ^ from_bit(length) ^ stream[-1]).to_bytes(4, "big")


CIPHERS = {0: lambda key, count, bearer, direction, octets: octets, 1: eea1, 2: eea2, 3: eea3}
MACS = {0: lambda key, count, bearer, direction, octets: bytes(4), 1: eia1, 2: eia2, 3: eia3}


def kdf(key, fc, *parameters):
    """TS 33.220 annex B.2."""
    text = bytes([fc])
    for parameter in parameters:
        text += parameter + len(parameter).to_bytes(2, "big")
    return hmac.new(key, text, hashlib.sha256).digest()


def nas_key(kasme, kind, number):
    """TS 33.401 annex A.7; kind 1: ciphering, 2: integrity."""
    return kdf(kasme, 0x15, bytes([kind]), bytes([number]))[16:]


def kenb(kasme, count):
    """Annex A.3."""
    return kdf(kasme, 0x11, count.to_bytes(4, "big"))


def hash_mme(message):
    """Annex I.2: the last 64 bits."""
    return hmac.new(bytes(32), message, hashlib.sha256).digest()[24:]


def check():
    octets = bytes.fromhex
    key = octets("d3c5d592327fb11c4035c6680af8c6d1")
    assert snow3g(
        words(octets("2bd6459f82c5b300952c49104881ff48")), words(octets("ea024714ad5c4d84df1f9b251c0bf45f")),
        2,
    ) == [0xABEE9704, 0x7AC31373]
    assert zuc(bytes(16), bytes(16), 2) == [0x27BEDE74, 0x018082DA]
    assert zuc(b"\xff" * 16, b"\xff" * 16, 2) == [0x0657CFA0, 0x7096398B]
    plain = octets("981ba6824c1bfb1ab485472029b71d808ce33e2cc3c0b5fc1f3de8a6dc66b1f0")
    cipher = octets("5d5bfe75eb04f68ce0a12377ea00b37d47c6a0ba06309155086a859c4341b378")
    assert eea1(key, 0x398A59B4, 0x15, 1, plain)[:31] == cipher[:31]
    assert eia1(
        octets("2bd6459f82c5b300952c49104881ff48"), 0x38A6F056, 0x1F, 0, octets("3332346263393861373479")
    ) == octets("731f1165")
    assert eea2(key, 0x398A59B4, 0x15, 1, plain)[:8] == octets("e9fed8a63d155304")
    assert eia2(key, 0x398A59B4, 0x1A, 1, octets("484583d5afe082ae")) == octets("b93787e6")
    assert eea3(
        octets("173d14ba5003731d7a60049470f00a29"), 0x66035492, 0xF, 0, octets("6cf65340735552ab0c9752fa6f9025fe")
    ) == octets("a6c85fc66afb8533aafc2518dfe78494")



if __name__ == "__main__":
    check()
    print("the algorithms agree with the test sets of their specifications")
