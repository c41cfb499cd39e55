package require smtp
package require mime
catch {package require tls; tls::init -autoservername 0}
set f [open $env(MSG) rb]
set text [read $f]
set token [mime::initialize -canonical text/plain -string $text]
mime::setheader $token Subject x
set opts [list -servers $env(ADDR) -ports $env(PORT) -originator sender@example.org -recipients [join $env(TO) ,] -usetls [expr {$env(TLS) eq "starttls"}] -queue 0]
if {$env(LOGIN) eq "1"} {lappend opts -username user -password secret}
puts [smtp::sendmessage $token {*}$opts]
