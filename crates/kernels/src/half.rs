//! Half precision (IEEE 754 binary16) as a way to keep weights: half the memory, eleven bits of each value.

/// The nearest half to a value, ties to even; what is too large becomes infinite.
pub fn narrow(value: f32) -> u16 {
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
        // Below 2^-14 halves are multiples of 2^-24: adding 1/2 to a float leaves just these bits, rounded.
        let rounded = f32::from_bits(magnitude) + 0.5;
        return sign | (rounded.to_bits() - 0.5_f32.to_bits()) as u16;
    }
    let odd = (magnitude >> 13) & 1;
    let rounded = magnitude + 0x0fff + odd;
    sign | ((rounded - (112 << 23)) >> 13) as u16
}

/// The value of a half.
pub fn widen(half: u16) -> f32 {
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
    fn every_half_survives() {
        for half in 0..=u16::MAX {
            let value = widen(half);
            let same = narrow(value) == half || value.is_nan() && widen(narrow(value)).is_nan();
            assert!(same, "{half:#06x} is {value}, which is {:#06x}", narrow(value));
        }
        assert_eq!((widen(0x3c00), widen(0xc000), widen(0x0001)), (1.0, -2.0, 2.0_f32.powi(-24)));
    }

    #[test]
    fn values_between_round_to_even() {
        for half in 0..0x7bff_u16 {
            let (low, high) = (widen(half), widen(half + 1));
            let middle = (low + high) / 2.0;
            assert_eq!(narrow(middle), half + (half & 1), "halfway after {half:#06x}");
            assert_eq!(narrow(middle.next_down()), half);
            assert_eq!(narrow(middle.next_up()), half + 1);
        }
        assert_eq!([65519.9, 65520.0, f32::INFINITY].map(narrow), [0x7bff, 0x7c00, 0x7c00]);
    }
}
