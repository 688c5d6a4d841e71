//! Half precision (IEEE 754 binary16, stored as `u16` bits) as a storage format for weights: half the memory, 11
//! significant bits. All arithmetic stays in `f32`.

/// Rounds a value to the nearest half, ties to even; values beyond the range become infinite.
pub fn from_f32(value: f32) -> u16 {
    let bits = value.to_bits();
    let sign = (bits >> 16) as u16 & 0x8000;
    let magnitude = bits & 0x7fff_ffff;
    if magnitude > 0x7f80_0000 {
        return sign | 0x7e00;
    }
    // 65520 lies halfway between the largest half and the next power of two.
    if magnitude >= 0x477f_f000 {
        return sign | 0x7c00;
    }
    if magnitude < 0x3880_0000 {
        // Below 2^-14 halves are multiples of 2^-24, the unit in the last place of floats in 0.5..1: adding 0.5 rounds.
        let rounded = f32::from_bits(magnitude) + 0.5;
        return sign | (rounded.to_bits() - 0.5_f32.to_bits()) as u16;
    }
    let odd = (magnitude >> 13) & 1;
    let rounded = magnitude + 0x0fff + odd;
    sign | ((rounded - (112 << 23)) >> 13) as u16
}

/// The value of a half, exactly.
pub fn to_f32(half: u16) -> f32 {
    let sign = u32::from(half & 0x8000) << 16;
    let magnitude = u32::from(half & 0x7fff);
    let bits = match magnitude >> 10 {
        0 => return f32::from_bits(sign | (magnitude as f32 * 2.0_f32.powi(-24)).to_bits()),
        31 => 0x7f80_0000 | (magnitude & 0x3ff) << 13,
        _ => (magnitude << 13) + (112 << 23),
    };
    f32::from_bits(sign | bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_round_trips() {
        for half in 0..=u16::MAX {
            let value = to_f32(half);
            let same = from_f32(value) == half || value.is_nan() && to_f32(from_f32(value)).is_nan();
            assert!(same, "{half:#06x} is {value}, which rounds to {:#06x}", from_f32(value));
        }
        assert_eq!((to_f32(0x3c00), to_f32(0xc000), to_f32(0x0001)), (1.0, -2.0, 2.0_f32.powi(-24)));
    }

    #[test]
    fn ties_round_to_even() {
        for half in 0..0x7bff_u16 {
            let (low, high) = (to_f32(half), to_f32(half + 1));
            let middle = (low + high) / 2.0;
            assert_eq!(from_f32(middle), half + (half & 1), "halfway after {half:#06x}");
            assert_eq!(from_f32(middle.next_down()), half);
            assert_eq!(from_f32(middle.next_up()), half + 1);
        }
        assert_eq!([65519.9, 65520.0, f32::INFINITY].map(from_f32), [0x7bff, 0x7c00, 0x7c00]);
    }
}
