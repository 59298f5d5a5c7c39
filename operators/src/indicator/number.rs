//! Numbers: whole sums to doubles, and the fused multiply-add, the same bits on every machine.

/// 2^64.
const WORD: f64 = 18_446_744_073_709_551_616.0;

/// The nearest double of `sum`.
#[inline]
pub(crate) fn to_f64(sum: i128) -> f64 {
    match i64::try_from(sum) {
        Ok(short) => short as f64,
        Err(_) => sum as f64,
    }
}

/// A double within one unit in the last place of `sum`, without the slow conversion of 128 bits.
#[inline]
pub(crate) fn near_f64(sum: u128) -> f64 {
    let (high, low) = ((sum >> 64) as u64, sum as u64);
    if high == 0 { low as f64 } else { high as f64 * WORD + low as f64 }
}

/// `a * b + c`, rounded once. Both ways give the correctly rounded result, one of them in hardware at
/// compile time, the other where the processor has it at run time.
#[inline]
pub(crate) fn fused(a: f64, b: f64, c: f64) -> f64 {
    if cfg!(any(target_feature = "fma", target_arch = "aarch64")) {
        a.mul_add(b, c)
    } else {
        libm::fma(a, b, c)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sums_become_the_nearest_double(sum: i128, shift in 0u32..127) {
            let sum = sum >> shift;
            prop_assert_eq!(to_f64(sum), sum as f64);
            let near = near_f64(sum.unsigned_abs());
            let nearest = sum.unsigned_abs() as f64;
            prop_assert!(near.to_bits().abs_diff(nearest.to_bits()) <= 1, "{near} {nearest}");
        }

        #[test]
        fn fused_rounds_once(a in -1e9f64..1e9, b in -1e9f64..1e9, c in -1e9f64..1e9) {
            prop_assert_eq!(fused(a, b, c).to_bits(), a.mul_add(b, c).to_bits());
        }
    }
}
