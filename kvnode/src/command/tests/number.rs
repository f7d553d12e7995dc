use super::super::number::Decimal;
use super::check;

#[test]
fn sums_of_decimals() {
    let check = |a: &str, b: &str, expected: &str| {
        let parse = |text: &str| Decimal::parse(text.as_bytes()).expect("a number");
        assert_eq!(parse(a).add(parse(b)).expect("finite").to_string(), expected, "{a} + {b}");
    };
    check("3", "1.1", "4.1");
    check("0.1", "0.2", "0.3");
    check("1.23", "-1.1", "0.13");
    check("5.0e3", "200", "5200");
    check("10.50", "0.1", "10.6");
    check("-0.5", "0.5", "0");
    check("17179869184", "1.5", "17179869185.5");
    check("1e20", "-1e20", "0");
    check("1e-17", "1e-17", "0.00000000000000002");
    check("1e30", "0", "1000000000000000019884624838656");
    check("1e-30", "-1e-30", "0");
    assert!(Decimal::parse(b"nan").is_none());
    assert!(Decimal::parse(b" 1").is_none());
    assert!(Decimal::parse(b"1 ").is_none());
    assert!(Decimal::parse(b"").is_none());
    assert!(Decimal::parse(b"1e400").is_none());
    assert!(Decimal::parse(b"-1e400").is_none());
    let infinite = Decimal::parse(b"inf").expect("a number");
    assert!(infinite.add(Decimal::ZERO).is_none());
}

#[test]
fn counters() {
    check(
        r#"
        INCR n -> 1
        INCRBY n 41 -> 42
        DECR n -> 41
        DECRBY n -9 -> 50
        GET n -> "50"
        SET n 9223372036854775806 EX 10 -> OK
        INCR n -> 9223372036854775807
        TTL n -> 10
        INCR n -> ERR increment or decrement would overflow
        DECRBY n -9223372036854775808 -> ERR decrement would overflow
        INCRBY n x -> ERR value is not an integer or out of range
        SET s text -> OK
        INCR s -> ERR value is not an integer or out of range
        SET s 01 -> OK
        INCR s -> ERR value is not an integer or out of range
        INCRBYFLOAT f 1.5 -> "1.5"
        INCRBYFLOAT f 1.6 -> "3.1"
        INCRBYFLOAT f -3.1 -> "0"
        INCRBYFLOAT f x -> ERR value is not a valid float
        INCRBYFLOAT f inf -> ERR increment would produce NaN or Infinity
        SET s text -> OK
        INCRBYFLOAT s 1 -> ERR value is not a valid float
        "#,
    );
}
