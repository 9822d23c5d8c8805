"""Makes precompiled_charsmap blobs: the double array that SentencePiece's Precompiled normalizer reads."""
import struct


def build(entries):
    """entries: {text: replacement}. An inner node of the trie has 256 units to itself."""
    pool, place = b"", {}
    for new in entries.values():
        if new not in place:
            place[new] = len(pool)
            pool += new.encode() + b"\0"
    root = {}
    for old, new in entries.items():
        node = root
        for byte in old.encode():
            node = node.setdefault(byte, {})
        node[None] = place[new]
    units, leaves = [0] * 512, []
    nodes = [(root, 0, 256)]  # node, its unit, its block
    for node, at, block in nodes:
        for byte, child in node.items():
            if byte is None:
                units[block] = child | 1 << 31
                continue
            units[block ^ byte] = byte
            if list(child) == [None]:
                leaves.append((child, block ^ byte))
            else:
                nodes.append((child, block ^ byte, len(units)))
                units += [0] * 256
    for leaf, at in leaves:  # needs one unit
        nodes.append((leaf, at, len(units)))
        units.append(leaf[None] | 1 << 31)
    for node, at, block in nodes:
        assert at ^ block < 1 << 21
        units[at] |= (at ^ block) << 10 | (1 << 8 if None in node else 0)
    units += [0] * (-len(units) % 256)
    # a unit that nothing uses must not look like a label
    data = [u if u else 1 << 31 for u in units]
    return struct.pack("<I", 4 * len(data)) + struct.pack("<%dI" % len(data), *data) + pool
