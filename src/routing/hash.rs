//! The one hash that gateways of all versions and machines share: FNV-1a of 64 bits, finished by splitmix64.

/// Of the bytes of all parts, one after the other.
pub(super) fn stable(parts: &[&[u8]]) -> u64 {
    let bytes = parts.iter().copied().flatten();
    mix(bytes.fold(FNV_OFFSET, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(FNV_PRIME)))
}

/// Spreads what differs in few bits over all of them.
pub(super) fn mix(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

/// A number above 0 and below 1.
pub(super) fn unit(hash: u64) -> f64 {
    ((hash >> 11) as f64 + 0.5) / (1u64 << 53) as f64
}

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_same_for_ever() {
        // FNV-1a of "a" and splitmix64's first number for seed 0, as published.
        let fnv = (FNV_OFFSET ^ u64::from(b'a')).wrapping_mul(FNV_PRIME);
        assert_eq!(fnv, 0xaf63_dc4c_8601_ec8c);
        assert_eq!(mix(0x9e37_79b9_7f4a_7c15), 0xe220_a839_7b1d_cdaf);
        assert_eq!(stable(&[b"a"]), mix(fnv));
        assert_eq!(stable(&[b"ab", b"", b"c"]), stable(&[b"a", b"bc"]));
    }
}
