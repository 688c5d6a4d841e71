//! A counter-based hash: randomness as a pure function of a key, with no generator state to save or to share between
//! threads.

/// Mixes 64 bits so that every input bit affects every output bit: the finalizer of SplitMix64
/// (Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", 2014).
#[inline]
pub const fn mix(key: u64) -> u64 {
    let z = key.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Combines two keys into one; their order matters.
#[inline]
pub const fn combine(a: u64, b: u64) -> u64 {
    mix(mix(a) ^ b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mix_matches_splitmix64() {
        // The first outputs of the SplitMix64 authors' program for seed 1234567.
        let mut state = 1_234_567_u64;
        let mut next = || {
            let out = mix(state);
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            out
        };
        assert_eq!(next(), 6_457_827_717_110_365_317);
        assert_eq!(next(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn combine_depends_on_the_order() {
        assert_ne!(combine(1, 2), combine(2, 1));
    }
}
