//! Random numbers by index: SplitMix64's finalizer over (seed, stream, number). Stable for ever.

/// One stream of a seed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stream(u64);

impl Stream {
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        Stream(mix(seed ^ mix(stream.wrapping_add(0x5851_f42d_4c95_7f2d))))
    }

    /// The number at `index`.
    #[inline(always)]
    pub(super) fn at(self, index: u64) -> u64 {
        mix(self.0.wrapping_add(index.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }
}

#[inline(always)]
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Uniform in `[0, 1)`.
#[inline(always)]
pub(super) fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
}

/// Mean 0, variance 1, close to normal: the sum of four uniforms of 16 bits.
#[inline(always)]
pub(super) fn normal(bits: u64) -> f64 {
    let sum = (bits & 0xffff) + ((bits >> 16) & 0xffff) + ((bits >> 32) & 0xffff) + (bits >> 48);
    (sum as f64 - 131_070.0) * (1.732_050_807_568_877_2 / 65_536.0)
}

/// Draws an index with given weights in O(1): Vose's alias method.
pub(super) struct Alias {
    /// Threshold and alias by index.
    cells: Vec<(u32, u32)>,
}

impl Alias {
    pub(super) fn new(weights: &[f64]) -> Self {
        let mean = weights.iter().sum::<f64>() / weights.len() as f64;
        let mut scaled: Vec<f64> = weights.iter().map(|weight| weight / mean).collect();
        let all = 0..weights.len() as u32;
        let (mut small, mut large): (Vec<u32>, Vec<u32>) =
            all.partition(|&k| scaled[k as usize] < 1.0);
        let mut cells: Vec<_> = (0..weights.len() as u32).map(|k| (u32::MAX, k)).collect();
        while let (Some(&low), Some(&high)) = (small.last(), large.last()) {
            small.pop();
            let (low, spare) = (low as usize, scaled[low as usize]);
            cells[low] = ((spare * 4_294_967_296.0) as u32, high);
            scaled[high as usize] -= 1.0 - spare;
            if scaled[high as usize] < 1.0 {
                large.pop();
                small.push(high);
            }
        }
        Alias { cells }
    }

    #[inline(always)]
    pub(super) fn draw(&self, bits: u64) -> u32 {
        let cell = (((bits >> 32) * self.cells.len() as u64) >> 32) as u32;
        let (threshold, alias) = self.cells[cell as usize];
        if bits as u32 <= threshold { cell } else { alias }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_follow_weights() {
        let (alias, stream) = (Alias::new(&[1.0, 2.0, 5.0]), Stream::new(1, 2));
        let mut counts = [0; 3];
        (0..80_000).for_each(|k| counts[alias.draw(stream.at(k)) as usize] += 1);
        for (count, wanted) in counts.into_iter().zip([10_000, 20_000, 50_000i32]) {
            assert!((count - wanted).abs() < 600, "{counts:?}");
        }
    }

    #[test]
    fn normals_have_mean_zero_and_variance_one() {
        let draws: Vec<f64> = (0..50_000).map(|k| normal(Stream::new(3, 4).at(k))).collect();
        let mean = draws.iter().sum::<f64>() / 5e4;
        let variance = draws.iter().map(|z| z * z).sum::<f64>() / 5e4;
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03, "{mean} {variance}");
    }
}
