//! The same code compiled for two kinds of machine, and the choice between them while it runs.

/// Define functions whose bodies are also compiled for AVX2, which is used where the machine has it. Both give the same
/// bits: no multiplication is fused with an addition.
macro_rules! dispatched {
    ($($(#[$meta:meta])* $vis:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)? $body:block)*) => {$(
        $(#[$meta])*
        $vis fn $name($($argument: $type),*) $(-> $result)? {
            #[inline(always)]
            fn plain($($argument: $type),*) $(-> $result)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2")]
                #[allow(unsafe_code)]
                unsafe fn wide($($argument: $type),*) $(-> $result)? {
                    plain($($argument),*)
                }
                if std::arch::is_x86_feature_detected!("avx2") {
                    // SAFETY: the machine was just asked whether it has what `wide` needs.
                    #[allow(unsafe_code)]
                    return unsafe { wide($($argument),*) };
                }
            }
            plain($($argument),*)
        }
    )*};
}

pub(super) use dispatched;

/// Numbers come in groups of this many, one accumulator each, so that the compiler can use vector registers.
pub(super) const LANES: usize = 8;

/// The sum of products of two slices whose length is a multiple of [`LANES`]; for use in what is dispatched.
#[inline(always)]
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    // Two groups at a time, so that one addition need not wait for the other.
    let (mut even, mut odd) = ([0.0_f32; LANES], [0.0_f32; LANES]);
    let (mut pairs_a, mut pairs_b) = (a.chunks_exact(2 * LANES), b.chunks_exact(2 * LANES));
    for (a, b) in (&mut pairs_a).zip(&mut pairs_b) {
        for lane in 0..LANES {
            even[lane] += a[lane] * b[lane];
            odd[lane] += a[LANES + lane] * b[LANES + lane];
        }
    }
    for (lane, (a, b)) in pairs_a.remainder().iter().zip(pairs_b.remainder()).enumerate() {
        even[lane] += a * b;
    }
    let mut sums = [0.0_f32; LANES];
    for lane in 0..LANES {
        sums[lane] = even[lane] + odd[lane];
    }
    (sums[0] + sums[4]) + (sums[1] + sums[5]) + ((sums[2] + sums[6]) + (sums[3] + sums[7]))
}
