//! Shell. Randomness comes from here, so that code that draws can be given a seeded source.

/// A source of random bits.
pub trait Rng: Send + Sync {
    /// 64 random bits.
    fn next_u64(&self) -> u64;

    /// 128 random bits, as for an identity that must never be drawn twice.
    fn next_u128(&self) -> u128 {
        (u128::from(self.next_u64()) << 64) | u128::from(self.next_u64())
    }
}

/// The operating system's randomness; in a simulation what follows from its seed.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsRng;

impl Rng for OsRng {
    #[cfg(feature = "simulation")]
    fn next_u64(&self) -> u64 {
        crate::simulation::next_u64()
    }

    /// Ends the process where the operating system has no randomness to give: an identity drawn
    /// from anything else could be drawn twice.
    #[cfg(not(feature = "simulation"))]
    fn next_u64(&self) -> u64 {
        match getrandom::u64() {
            Ok(bits) => bits,
            Err(error) => {
                tracing::error!(%error, "the operating system gives no random numbers");
                std::process::exit(crate::exit::FAILURE.into());
            }
        }
    }
}
