package Test::Plum::Process;

# Children of a test: started without a shell, ended by process id, whatever
# way the test ends.

use strict;
use warnings;

use Exporter qw(import);
use POSIX qw(:sys_wait_h);
use Time::HiRes qw(sleep time);

our @EXPORT_OK = qw(spawn spawn_sub reap end_process poll_until run_command
    sockets unread memory);

# a host that is busy may need so many times as long as one that is not
my $BUSY = 5;

# pid => wait status, or undef while it runs; only for this very process, so
# that a forked child does not end its siblings when it leaves
my %child;
my $owner = $$;


# starts a program; %opt: stdout, stderr (files), env (a hash)

sub spawn {
    my ($argv, %opt) = @_;

    return spawn_sub(sub {
        my $env = $opt{env} || {};
        @ENV{keys %$env} = values %$env;
        open STDIN, '<', '/dev/null' or die "/dev/null: $!";
        if (defined $opt{stdout}) {
            open STDOUT, '>>', $opt{stdout} or die "$opt{stdout}: $!";
        }
        if (defined $opt{stderr}) {
            open STDERR, '>>', $opt{stderr} or die "$opt{stderr}: $!";
        }
        no warnings 'exec';
        exec { $argv->[0] } @$argv
            or die "cannot run $argv->[0]: $!\n";
    });
}


# runs code in a child; its exit leaves out the parent's END blocks

sub spawn_sub {
    my ($code) = @_;

    my $pid = fork();
    die "fork: $!" if !defined $pid;

    if ($pid == 0) {
        $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP PIPE CHLD);
        my $ok = eval { $code->(); 1 };
        print STDERR $@ if !$ok;
        POSIX::_exit($ok ? 0 : 127);
    }

    $child{$pid} = undef;
    return $pid;
}


# the wait status of a child, or undef while it runs

sub reap {
    my ($pid) = @_;

    return -1 if !exists $child{$pid};
    return $child{$pid} if defined $child{$pid};

    my $got = waitpid($pid, WNOHANG);
    $child{$pid} = $got == $pid ? $? : -1 if $got != 0;
    return $child{$pid};
}


# asks a child to end, then makes it; returns its wait status

sub end_process {
    my ($pid, $signal, $seconds) = @_;

    return reap($pid) if defined reap($pid);

    kill $signal || 'TERM', $pid;
    if (!poll_until(sub { defined reap($pid) }, $seconds || 5)) {
        kill 'KILL', $pid;
        poll_until(sub { defined reap($pid) }, 5);
    }
    return reap($pid);
}


# calls code until it is true; its value, or a false one where it is not true
# within the seconds that a host takes which has nothing else to do, and much
# longer than that

sub poll_until {
    my ($code, $seconds) = @_;

    my $end = time() + $BUSY * $seconds;
    my $nap = 0.002;

    while (1) {
        my $value = $code->();
        return $value if $value || time() > $end;
        sleep($nap);
        $nap *= 1.5 if $nap < 0.05;
    }
}


# the connections that were made to a port here: for each one, how many bytes
# have come that nobody has read yet

sub sockets {
    my ($port) = @_;

    my $local = sprintf '[0-9A-F]{8}:%04X', $port;
    open my $table, '<', '/proc/net/tcp' or die "/proc/net/tcp: $!";
    return map { /^ *\d+: $local \S+ 0[18] \w+:(\w+)/ ? hex $1 : () }
        <$table>;
}


# of all of them together

sub unread {
    my ($port) = @_;

    my $sum = 0;
    $sum += $_ for sockets($port);
    return $sum;
}


# runs a program to its end: (exit status, what it wrote to both outputs)

sub run_command {
    my (@argv) = @_;

    my $pid = open my $out, '-|';
    die "fork: $!" if !defined $pid;

    if ($pid == 0) {
        open STDIN, '<', '/dev/null';
        open STDERR, '>&', \*STDOUT;
        no warnings 'exec';
        exec { $argv[0] } @argv or print "cannot run $argv[0]: $!\n";
        POSIX::_exit(127);
    }

    my $text = do { local $/; <$out> };
    close $out;
    return ($? >> 8 || $? & 127, defined $text ? $text : '');
}


END {
    if ($$ == $owner) {
        local $?;
        my @left = grep { !defined reap($_) } keys %child;
        end_process($_) for @left;
    }
}


# memory of a process, in bytes: all but what is mapped from files and zones

sub memory {
    my ($pid) = @_;

    open my $file, '<', "/proc/$pid/status" or die "$pid: $!\n";
    my $text = do { local $/; <$file> };
    return $text =~ /^RssAnon:\s+(\d+) kB/m ? $1 * 1024 : die "$pid: RssAnon\n";
}

1;
