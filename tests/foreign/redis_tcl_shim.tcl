# Appended to the suite's own procedures: ringkv has no functions to flush and no configuration to
# set, and an error outside of a test must not end the whole file unseen.
proc run_external_server_test {code overrides} {
    set srv [dict create host $::host port $::port client [redis $::host $::port 0 $::tls]]
    dict set srv config [dict create port $::port]
    lappend ::servers $srv
    r flushall
    foreach {param val} $overrides { catch {r config set $param $val} }
    if {[catch {uplevel 2 $code} error]} {
        send_data_packet $::test_server_fd err "block: $error\n$::errorInfo"
    }
    set srv [lpop ::servers]
    catch {[dict get $srv client] close}
}
