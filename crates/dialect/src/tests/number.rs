use crate::parse_integer;

#[test]
fn integers_have_one_form() {
    let check =
        |text: &str, expected| assert_eq!(parse_integer(text.as_bytes()), expected, "{text}");
    check("0", Some(0));
    check("-1", Some(-1));
    check("9223372036854775807", Some(i64::MAX));
    check("-9223372036854775808", Some(i64::MIN));
    for text in ["", "-", "-0", "01", "+1", " 1", "1 ", "1.0", "9223372036854775808", "0x1"] {
        check(text, None);
    }
}
