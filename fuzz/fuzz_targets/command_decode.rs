//! Any bytes as a pipeline of commands: no panic, and each command is exactly its frame.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use resp::{Command, CommandDecoder, Decoded, Limits};

fuzz_target!(|stream: &[u8]| {
    let mut decoder = CommandDecoder::new(Limits::default());
    let mut buffer = BytesMut::from(stream);
    while let Ok(Some(decoded)) = decoder.decode(&mut buffer) {
        match decoded {
            Decoded::Command(command) => {
                let args: Vec<_> = command.args().collect();
                assert_eq!(args.len(), command.len());
                assert!(!args.is_empty());
                assert_eq!(Command::new(&args).raw(), command.raw(), "a canonical frame");
                check_alone(&command);
            }
            Decoded::Refused(refusal) => assert!(!refusal.to_string().is_empty()),
        }
    }
});

/// A frame decodes to the same command where it stands alone.
fn check_alone(command: &Command) {
    let mut decoder = CommandDecoder::new(Limits::default());
    let mut buffer = BytesMut::from(command.raw().as_ref());
    assert_eq!(decoder.decode(&mut buffer), Ok(Some(Decoded::Command(command.clone()))));
    assert!(buffer.is_empty());
}
