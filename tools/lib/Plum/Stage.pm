package Plum::Stage;

# What a demonstration stands on: a folder, files in it, programs that are
# started and ended by process id, and free ports.

use strict;
use warnings;

use Exporter qw(import);
use File::Path ();
use File::Temp ();
use IO::Socket::INET;
use POSIX qw(:sys_wait_h);
use Time::HiRes qw(sleep time);

our @EXPORT_OK = qw(stage path write_file read_file news random_base64
    free_port connects wait_until start alive stop output_of);

my $OWNER = $$;
my %child;              # what was started and must end: pid => name
my %seen;               # bytes of a file that news() has given
my $dir;


# makes the folder, which goes with the process; returns it

sub stage {
    my ($parent) = @_;

    mkdir $parent;
    $dir = File::Temp::tempdir('demo-XXXXXXXX', DIR => $parent);
    chmod 0711, $dir;
    return $dir;
}


sub path { return "$dir/$_[0]" }


sub write_file {
    my ($name, $text, $mode) = @_;

    my $path = "$dir/$name";
    open my $file, '>', $path or die "$path: $!\n";
    chmod $mode || 0644, $path;
    print $file $text;
    close $file or die "$path: $!\n";
    return $path;
}


sub random_base64 {
    my ($bytes) = @_;

    open my $file, '<:raw', '/dev/urandom' or die "/dev/urandom: $!\n";
    read($file, my $random, $bytes) == $bytes or die "/dev/urandom: $!\n";
    require MIME::Base64;
    return MIME::Base64::encode_base64($random, '');
}


sub free_port {
    my $socket = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
        Listen => 1) or die "no free port: $@\n";
    return $socket->sockport;
}


sub read_file {
    my ($name) = @_;

    open my $file, '<', "$dir/$name" or return '';
    local $/;
    my $text = <$file>;
    return defined $text ? $text : '';
}


# whole lines that came since it was last asked

sub news {
    my ($name) = @_;

    my $text = substr read_file($name), $seen{$name} || 0;
    $text =~ s/[^\n]*\z//;
    $seen{$name} += length $text;
    return $text;
}


sub connects {
    my ($port) = @_;
    return IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port);
}


sub wait_until {
    my ($code) = @_;

    my $end = time() + 10;
    while (time() < $end) {
        my $value = $code->();
        return $value if $value;
        sleep(0.01);
    }
    return;
}


sub start {
    my ($name, @argv) = @_;

    my $pid = fork();
    die "fork: $!\n" if !defined $pid;
    if ($pid == 0) {
        $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);
        open STDIN, '<', '/dev/null';
        open STDOUT, '>>', "$dir/$name.out";
        open STDERR, '>&', \*STDOUT;
        no warnings 'exec';
        exec { $argv[0] } @argv or print "cannot run $argv[0]: $!\n";
        POSIX::_exit(127);
    }
    $child{$pid} = $name;
    return;
}


sub alive {
    my ($name) = @_;

    my ($pid) = grep { $child{$_} eq $name } keys %child;
    return if !defined $pid;
    return 1 if waitpid($pid, WNOHANG) == 0;
    delete $child{$pid};
    return;
}


sub stop {
    my ($name) = @_;

    for my $pid (grep { $child{$_} eq $name } keys %child) {
        kill 'TERM', $pid;
        wait_until(sub { waitpid($pid, WNOHANG) != 0 })
            or kill 'KILL', $pid;
        delete $child{$pid};
    }
    return;
}


sub output_of {
    my (@argv) = @_;

    my $pid = open my $out, '-|';
    die "fork: $!\n" if !defined $pid;
    if ($pid == 0) {
        open STDERR, '>&', \*STDOUT;
        no warnings 'exec';
        exec { $argv[0] } @argv or print "cannot run $argv[0]: $!\n";
        POSIX::_exit(127);
    }
    local $/;
    my $text = <$out>;
    close $out;
    return defined $text ? $text : '';
}


END {
    if (defined $dir && $$ == $OWNER) {
        local $?;
        stop($_) for values %child;
        File::Path::remove_tree($dir);
    }
}

1;
