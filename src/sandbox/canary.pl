# Tries, from inside a sandbox, what a worker must not be able to do, and what it must; see canary.ts.
#
#   perl canary.pl DENIED-FILE WORKTREE SERVER-PID TCP-PORT UNIX-SOCKET ABSTRACT-SOCKET PROXY-PORT
#
# Prints NAME=yes or NAME=no for each. Numbers of sockets are Linux's; see inside.pl.
my ($denied, $worktree, $server, $port, $socket, $abstract, $proxy) = @ARGV;
my ($AF_UNIX, $AF_INET, $SOCK_STREAM) = (1, 2, 1);

sub tell_of { print "$_[0]=", ($_[1] ? 'yes' : 'no'), "\n" }

sub connects {
    my ($family, $address) = @_;
    socket(my $handle, $family, $SOCK_STREAM, 0) or return;
    # Nothing here may wait for ever.
    local $SIG{ALRM} = sub { die };
    my $connected = eval { alarm 5; connect($handle, $address) };
    alarm 0;
    return $connected ? $handle : undef;
}

sub loopback { pack 'S n C4 x8', $AF_INET, $_[0], 127, 0, 0, 1 }

tell_of('readsDeniedFile', open my $read, '<', $denied);
# Without making it: what it makes there is in its own memory.
tell_of('writesDeniedFile', open my $write, '+<', $denied);
tell_of('writesSystem', open my $system, '>', '/usr/factory-canary');
tell_of('writesControl', open my $control, '>', '/run/factory/canary');
tell_of('writesWorktree', open my $own, '>', "$worktree/written");
tell_of('isRoot', $< == 0 || $> == 0);
tell_of('seesServer', kill 0, $server);
tell_of('reachesLoopback', connects($AF_INET, loopback($port)));
tell_of('reachesSocket', connects($AF_UNIX, pack 'S a108', $AF_UNIX, $socket));
# An abstract name begins with NUL, and its length counts: unix(7).
tell_of('reachesAbstractSocket', connects($AF_UNIX, pack 'S x a*', $AF_UNIX, $abstract));

# AF_VSOCK: to the machine's own host. vsock(7).
tell_of('opensHostSocket', socket my $host, 40, $SOCK_STREAM, 0);

my $capabilities = '';
if (open my $status, '<', '/proc/self/status') { /^CapEff:\s*(\S+)/ and $capabilities = $1 while <$status> }
tell_of('hasCapabilities', $capabilities !~ /^0+$/);

for (["denied.invalid:443", 'proxyRefusesHost'], ["127.0.0.1:$port", 'proxyRefusesLoopback']) {
    my ($place, $name) = @$_;
    my $answer = '';
    if (my $handle = connects($AF_INET, loopback($proxy))) {
        local $SIG{ALRM} = sub { die };
        eval {
            alarm 10;
            syswrite $handle, "CONNECT $place HTTP/1.1\r\nHost: $place\r\n\r\n";
            sysread $handle, $answer, 1000;
        };
        alarm 0;
    }
    tell_of($name, $answer =~ m{^HTTP/1\.1 403 });
}
