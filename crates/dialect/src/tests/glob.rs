use crate::Glob;

fn check(pattern: &str, fits: &[&str], others: &[&str]) {
    let glob = Glob::new(pattern.as_bytes());
    for text in fits {
        assert!(glob.matches(text.as_bytes()), "{pattern} fits {text}");
    }
    for text in others {
        assert!(!glob.matches(text.as_bytes()), "{pattern} does not fit {text}");
    }
}

#[test]
fn patterns() {
    check("", &[""], &["a"]);
    check("*", &["", "abc"], &[]);
    check("a*c", &["ac", "abc", "acbc"], &["ab", "bc", "acb"]);
    check("a**c", &["ac", "abc"], &["ab"]);
    check("h?llo", &["hello", "h\u{7f}llo"], &["hllo", "heello"]);
    check("h[ae]llo", &["hello", "hallo"], &["hillo"]);
    check("h[^e]llo", &["hallo"], &["hello", "hllo"]);
    check("h[a-c]llo", &["hbllo"], &["hdllo", "h-llo"]);
    check("h[c-a]llo", &["hbllo"], &["hdllo"]);
    check(r"h\[llo", &["h[llo"], &["hllo"]);
    check(r"h[\]x]llo", &["h]llo", "hxllo"], &["hyllo"]);
    check(r"\*", &["*"], &["a"]);
    check(r"a\", &[r"a\"], &["a"]);
    check("h[ab", &["ha", "hb"], &["h[", "hab"]);
    check("[]a", &[], &["a", "]a"]);
    check("*foo*bar", &["foobar", "xfooybar", "foobarbar"], &["foobarx", "fobar"]);
}

#[test]
fn hostile_patterns_end_soon() {
    let text = "a".repeat(10_000);
    check(&"a*".repeat(50), &[&text], &[]);
    check(&format!("{}b", "*a".repeat(50)), &[], &[&text]);
}
