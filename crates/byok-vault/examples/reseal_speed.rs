//! How fast one core moves records to another master key, without any store: `reseal_speed
//! [records]`. Prints the records a second of several rounds; run it with `--release`.

use std::error::Error;
use std::io::{Write, stdout};
use std::time::Instant;

use byok_vault::{Context, KeyRing, MasterKey, Payload, Secret, generate_master_key};

const ROUNDS: usize = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let count: usize = match std::env::args().nth(1) {
        Some(argument) => argument.parse()?,
        None => 200_000,
    };
    let (old, new) = (generate_master_key()?, generate_master_key()?);
    let before = KeyRing::new(MasterKey::parse(&old)?, Vec::new())?;
    let after = KeyRing::new(MasterKey::parse(&new)?, vec![MasterKey::parse(&old)?])?;

    let mut records = Vec::with_capacity(count);
    for number in 0..count {
        let user_id = format!("user_{number:07}");
        let key = format!("sk-test-{number:044}");
        let mut payload = Payload::new(Secret::copy_from(key.as_bytes()))?;
        payload.created_at = Some(1_767_225_600_000);
        let sealed = before.seal(
            &Context::new("default", &user_id, "openai", "default")?,
            &payload,
        )?;
        records.push((user_id, sealed));
    }

    for _ in 0..ROUNDS {
        let mut resealer = after.resealer();
        let begun = Instant::now();
        for (user_id, sealed) in &records {
            let context = Context::new("default", user_id, "openai", "default")?;
            let moved = resealer.reseal(&context, sealed)?;
            std::hint::black_box(moved.ok_or("was under the new key already")?);
        }
        let per_second = count as f64 / begun.elapsed().as_secs_f64();
        writeln!(stdout(), "{per_second:.0} records/s")?;
    }
    Ok(())
}
