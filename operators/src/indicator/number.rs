//! Numbers: whole sums to doubles, and the fused multiply-add, the same bits on every machine.

/// The nearest double of `raw`. By its magnitude, because the signed conversion instruction keeps the
/// upper half of its register and so waits for whatever was computed there last: a kernel's result.
#[inline]
pub(crate) fn whole_to_f64(raw: i64) -> f64 {
    f64::from_bits((raw.unsigned_abs() as f64).to_bits() | raw as u64 & 1 << 63)
}

/// The nearest double of `sum`, as `sum as f64` and several times as fast.
#[inline]
pub(crate) fn to_f64(sum: i128) -> f64 {
    match i64::try_from(sum) {
        Ok(short) => whole_to_f64(short),
        Err(_) if sum < 0 => -unsigned_to_f64(sum.unsigned_abs()),
        Err(_) => unsigned_to_f64(sum.unsigned_abs()),
    }
}

/// The nearest double of `sum`.
#[inline]
pub(crate) fn unsigned_to_f64(sum: u128) -> f64 {
    match u64::try_from(sum) {
        Ok(short) => short as f64,
        Err(_) => nearest(sum),
    }
}

/// The nearest double of what needs more than 64 bits: of its first 64, the last of them set where one
/// further down is, so that it is rounded once; then scaled exactly.
#[inline]
fn nearest(sum: u128) -> f64 {
    let (high, low) = ((sum >> 64) as u64, sum as u64);
    let zeros = high.leading_zeros();
    let upper = high << zeros | low >> 1 >> (63 - zeros);
    let rest = u64::from(low << zeros != 0);
    (upper | rest) as f64 * f64::from_bits(u64::from(1023 + 64 - zeros) << 52)
}

/// `a * b + c`, rounded once, by the instruction where `FMA` says that there is one. Both ways give
/// the correctly rounded result, so which one runs changes the speed and never a bit.
#[inline(always)]
pub(crate) fn fused<const FMA: bool>(a: f64, b: f64, c: f64) -> f64 {
    if FMA { a.mul_add(b, c) } else { libm::fma(a, b, c) }
}

/// Whether every processor this was compiled for has the instruction.
pub(crate) const HARDWARE: bool = cfg!(any(target_feature = "fma", target_arch = "aarch64"));

/// `self.$fma(..)`, compiled for processors that have the instruction, where this is one; else
/// `self.$plain(..)`.
macro_rules! with_fma {
    ($self:ident, $fma:ident, $plain:ident, $arguments:tt) => {{
        #[cfg(target_arch = "x86_64")]
        {
            ta_lib_dispatch::dispatch_fma!($self, $fma, $plain, $arguments)
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            $self.$plain $arguments
        }
    }};
}
pub(crate) use with_fma;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sums_become_the_nearest_double(sum: i128, shift in 0u32..127) {
            let sum = sum >> shift;
            prop_assert_eq!(to_f64(sum), sum as f64);
            prop_assert_eq!(whole_to_f64(sum as i64), sum as i64 as f64);
            prop_assert_eq!(unsigned_to_f64(sum as u128), sum as u128 as f64);
        }

        #[test]
        fn fused_rounds_once(a in -1e9f64..1e9, b in -1e9f64..1e9, c in -1e9f64..1e9) {
            prop_assert_eq!(fused::<true>(a, b, c).to_bits(), fused::<false>(a, b, c).to_bits());
        }
    }
}
