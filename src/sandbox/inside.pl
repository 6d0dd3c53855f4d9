# The first program inside a sandbox: offers the server's sockets as ports of the sandbox's own loopback, and turns
# into the agent.
#
#   perl inside.pl MACHINE PORT=SOCKET... -- COMMAND [ARGUMENT...]
#
# MACHINE is the processor's kind, as Node.js names it. Before anything else, the kernel's calls that no worker has a
# use for are shut.
#
# The ports are open before the agent's first instruction. Who carries their bytes is a process apart, in a session of
# its own: no child of the agent's, and out of reach of the signals that ask an agent to end, as an agent that ends in
# good order still has something to say. It dies with the sandbox. Socket files are opened for each connection anew, so
# that a server that comes back is found.
#
# Perl, because it is where git is: it takes 1 MB and 4 ms; Node.js takes 14 MB and 200 ms, socat isn't installed.

my $max_connections = 400;    # two descriptors each, below the usual limit of 1,024
my $max_bytes       = 65536;  # held for a side that doesn't read
my $look_every      = 2;      # seconds without anything to carry, until it looks whether the agent is still there

# Linux's numbers: to load the modules that name them would take half of the time and memory. Source: socket.h,
# fcntl.h and errno.h of x86, ARM, POWER and RISC-V.
my ($AF_UNIX, $AF_INET, $SOCK_STREAM, $SOL_SOCKET, $SO_REUSEADDR) = (1, 2, 1, 1, 2);
my ($F_SETFL, $O_NONBLOCK, $EAGAIN) = (4, 2048, 11);

shut_calls(shift);

my %listeners;
while (@ARGV and (my $argument = shift) ne '--') {
    my ($port, $path) = split /=/, $argument, 2;
    socket(my $listener, $AF_INET, $SOCK_STREAM, 0) or fail("socket: $!");
    setsockopt($listener, $SOL_SOCKET, $SO_REUSEADDR, 1);
    # sockaddr_in: family, port, address, 8 bytes of nothing.
    bind($listener, pack('S n C4 x8', $AF_INET, $port, 127, 0, 0, 1)) or fail("port $port: $!");
    listen($listener, 128) or fail("port $port: $!");
    $listeners{ fileno $listener } = [$listener, $path];
}
fail('no command') unless @ARGV;

# Chosen first when the kernel is out of memory. Source: proc_pid_oom_score_adj(5).
if (open my $score, '>', '/proc/self/oom_score_adj') { print $score 500; close $score }

my $agent = $$;
if (%listeners) {
    my $child = fork;
    fail("fork: $!") unless defined $child;
    if ($child == 0) {
        # Twice, so that the sandbox's own init gets the relay as its child.
        my $relay = fork;
        exit(defined $relay ? 0 : 1) if !defined $relay or $relay;
        relay();
    }
    waitpid $child, 0;
    fail('fork') if $?;
    close $_->[0] for values %listeners;
}

exec { $ARGV[0] } @ARGV;
fail("$ARGV[0]: $!");

# What namespaces don't hold: AF_VSOCK leads to the machine's host and knows no network namespace, keyrings go by user,
# the kernel's log is one for all. And what is large, new and needed by no tool, as many a hole of the kernel was in it.
# A list of what is refused, as a worker runs any program: those that start sandboxes of their own, debuggers too.
# Sources: seccomp(2), vsock(7), keyrings(7); Linux's filter.h, seccomp.h, audit.h, and its tables of calls.
sub shut_calls {
    my %machines = (
        x64 => {
            audit => 0xC000003E, prctl => 157, socket => 41,
            # syslog, add_key, request_key, keyctl, perf_event_open, open_by_handle_at, bpf, userfaultfd
            refused => [103, 248, 249, 250, 298, 304, 321, 323],
        },
        arm64 => {
            audit => 0xC00000B7, prctl => 167, socket => 198,
            refused => [116, 217, 218, 219, 241, 265, 280, 282],
        },
    );
    my $machine = $machines{ $_[0] } or return;
    my ($EPERM, $ENOSYS, $EAFNOSUPPORT) = (1, 38, 97);
    # AF_UNIX, AF_INET, AF_INET6, AF_NETLINK
    my @families = (1, 2, 10, 16);

    my ($load, $if_equal, $if_at_least, $return) = (0x20, 0x15, 0x35, 0x06);
    my $allow  = [$return, 0, 0, 0x7FFF0000];
    my $refuse = sub { [$return, 0, 0, 0x50000 | $_[0]] };
    # Goes on with the next instruction where it holds, else behind that.
    my $when = sub { [$_[0], 0, 1, $_[1]] };
    my @filter = (
        # A 32-bit program's calls have other numbers.
        [$load, 0, 0, 4], [$if_equal, 1, 0, $machine->{audit}], $refuse->($ENOSYS),
        # The third kind of x86's calls; all others are below.
        [$load, 0, 0, 0], $when->($if_at_least, 0x40000000), $refuse->($ENOSYS),
        (map { ($when->($if_equal, $_), $refuse->($EPERM)) } @{ $machine->{refused} }),
        # io_uring, which makes calls that no filter sees; programs do without where a kernel hasn't got it.
        (map { ($when->($if_equal, $_), $refuse->($ENOSYS)) } 425, 426, 427),
        [$if_equal, 1, 0, $machine->{socket}], $allow,
        # The first argument.
        [$load, 0, 0, 16], (map { ($when->($if_equal, $_), $allow) } @families), $refuse->($EAFNOSUPPORT),
    );
    my $code = join '', map { pack 'S C C L', @$_ } @filter;
    # struct sock_fprog, for PR_SET_SECCOMP and SECCOMP_MODE_FILTER. bubblewrap has set no_new_privs.
    my $program = pack 'S x![P] P', scalar @filter, $code;
    syscall($machine->{prctl}, 22, 2, $program) == 0 or fail("seccomp: $!");
}

sub fail { print STDERR "factory sandbox: $_[0]\n"; exit 127 }

sub relay {
    setpgrp 0, 0;
    $0 = 'factory-relay';
    $SIG{$_} = 'IGNORE' for qw(HUP INT QUIT TERM PIPE USR1 USR2);
    open STDIN,  '<', '/dev/null';
    open STDOUT, '>', '/dev/null';
    open STDERR, '>', '/dev/null';
    chdir '/';

    # By descriptor: {handle, other (the other side's descriptor), out (bytes to be written to it), ended (nothing
    # more comes from it), closing (the other side has ended: close for writing once `out` is empty)}.
    my %sides;
    my $drop = sub {
        for my $number (@_) {
            my $side = delete $sides{$number} or next;
            close $side->{handle};
        }
    };
    for (;;) {
        my ($reads, $writes) = ('', '');
        if (keys(%sides) < 2 * $max_connections) { vec($reads, $_, 1) = 1 for keys %listeners }
        for my $number (keys %sides) {
            my $side = $sides{$number};
            vec($reads, $number, 1) = 1
                if !$side->{ended} and length $sides{ $side->{other} }{out} < $max_bytes;
            vec($writes, $number, 1) = 1 if length $side->{out};
        }
        if (select($reads, $writes, undef, $look_every) < 1) {
            # A sandbox without processes of its own, as one that is broken and fails its canary, doesn't take it along.
            exit unless -e "/proc/$agent";
            next;
        }
        for my $number (keys %listeners) {
            next unless vec($reads, $number, 1);
            my ($listener, $path) = @{ $listeners{$number} };
            accept(my $client, $listener) or next;
            socket(my $server, $AF_UNIX, $SOCK_STREAM, 0) or next;
            # Closed at once where no server listens: the client is told so by the end of its connection.
            connect($server, pack('S a108', $AF_UNIX, $path)) or next;
            my ($one, $other) = (fileno $client, fileno $server);
            for ([$client, $one, $other], [$server, $other, $one]) {
                my ($handle, $own, $opposite) = @$_;
                fcntl $handle, $F_SETFL, $O_NONBLOCK;
                $sides{$own} = { handle => $handle, other => $opposite, out => '' };
            }
        }
        for my $number (keys %sides) {
            my $side = $sides{$number} or next;
            my $other = $sides{ $side->{other} };
            if (vec($writes, $number, 1)) {
                my $written = syswrite $side->{handle}, $side->{out};
                if (defined $written) { substr($side->{out}, 0, $written) = '' }
                elsif ($! != $EAGAIN) { $drop->($number, $side->{other}); next }
            }
            if (vec($reads, $number, 1)) {
                my $read = sysread $side->{handle}, $other->{out}, $max_bytes, length $other->{out};
                if (!defined $read) {
                    if ($! != $EAGAIN) { $drop->($number, $side->{other}); next }
                }
                elsif ($read == 0) { $side->{ended} = 1; $other->{closing} = 1 }
            }
            for ($side, $other) {
                if ($_->{closing} and !length $_->{out}) { shutdown $_->{handle}, 1; $_->{closed} = 1 }
            }
            $drop->($number, $side->{other}) if $side->{closed} and $other->{closed};
        }
    }
}
