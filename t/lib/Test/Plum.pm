package Test::Plum;

# The harness: a folder, free ports, an nginx of our own, and the checks that
# every test ends with.  Only loopback; everything is ended by process id.
#
#   my $t = Test::Plum->new(workers => 2);
#   my $up = $t->upstream('up');
#   $t->secret('plum', 'correct horse battery');
#   $t->write_conf(<<'CONF');
#   %%GLOBALS%%
#   events {}
#   http { %%HTTP_GLOBALS%% server { listen 127.0.0.1:%%PORT_0%%; } }
#   CONF
#   $t->run;
#   is($t->deliver(scheme => 'github', ...)->status, 200, 'accepted');
#   $t->done_testing;
#
# Environment: PLUM_MODULE (the .so, or "static": nginx has it built in),
# TEST_NGINX_BINARY, TEST_NGINX_WRAPPER (a command in front of it; %%TESTDIR%%
# is expanded), TEST_NGINX_LOG (level), TEST_NGINX_LEAVE (keep the folder),
# TEST_NGINX_CATLOG (show the error log), TEST_NGINX_MODULES (more modules to
# load, paths), PLUM_TEST_GLOBALS (lines added to every configuration).

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Path ();
use File::Temp ();
use IO::Socket::INET;
use Test::More ();
use Time::HiRes qw(time);

my $root;

BEGIN {
    $root = abs_path(dirname(__FILE__) . '/../../..');
}

use lib "$root/tools/lib";

use Plum::Sign;
use Test::Plum::Certificates ();
use Test::Plum::Client;
use Test::Plum::Process
    qw(spawn reap end_process poll_until run_command);
use Test::Plum::Upstream;

my $OWNER = $$;
my @instances;

# what a sanitizer, valgrind or a dying worker leaves behind
my $DAMAGE = qr/
    \[(?:alert|emerg)\] | AddressSanitizer | LeakSanitizer | runtime\ error
    | ThreadSanitizer | MemorySanitizer | exited\ on\ signal
    | ==\d+==\s+(?:Invalid|Conditional\ jump|Use\ of\ uninit|Syscall\ param)
    | definitely\ lost:\s+[1-9]
/x;


# --- the folder and its files

# %opt: workers (1), user ('nobody' under root), module (path; 0: none),
# modules (more to load), log (level), wrapper and env (see above)

sub new {
    my ($class, %opt) = @_;

    my $self = bless {
        workers => 1, user => 'nobody', ports => {}, locks => [],
        expected => [], upstreams => [], %opt,
    }, $class;

    $self->{log} ||= $ENV{TEST_NGINX_LOG} || 'info';
    $self->{nginx} = $ENV{TEST_NGINX_BINARY} || 'nginx';
    $self->{wrapper} = [split ' ', $ENV{TEST_NGINX_WRAPPER} || '']
        if !defined $self->{wrapper};
    $self->{module} = $self->_module_path if !defined $self->{module};

    $self->{dir} = File::Temp::tempdir('plum-t-XXXXXXXX', TMPDIR => 1);

    # workers of another user must get through, and write reports of their own
    chmod 0711, $self->{dir};
    mkdir "$self->{dir}/$_" for qw(tmp reports);
    chmod 0711, "$self->{dir}/tmp";
    chmod 01777, "$self->{dir}/reports";

    push @instances, $self;
    return $self;
}


sub _module_path {
    my ($self) = @_;

    # the nginx under test may have the module built in
    return 0 if ($ENV{PLUM_MODULE} || '') eq 'static';

    my $path = $ENV{PLUM_MODULE} || "$root/build/ngx_http_plum_module.so";
    die "$path is missing: build it with make, or name it in PLUM_MODULE\n"
        if !-e $path;
    return abs_path($path);
}


sub root { return $root }
sub dir { return $_[0]{dir} }


sub path {
    my ($self, $name) = @_;
    return $name =~ m{^/} ? $name : "$self->{dir}/$name";
}


# writes a file into the folder, returns its path

sub write_file {
    my ($self, $name, $content, $mode) = @_;

    my $path = $self->path($name);
    open my $file, '>:raw', $path or die "$path: $!";
    chmod defined $mode ? $mode : 0644, $path;
    print $file $content;
    close $file or die "$path: $!";
    return $path;
}


sub secret {
    my ($self, $name, $bytes) = @_;
    return $self->write_file($name, $bytes, 0600);
}


# what a file holds; an empty string where it is missing

sub read_file {
    my ($self, $name) = @_;

    open my $file, '<:raw', $self->path($name) or return '';
    local $/;
    my $content = <$file>;
    return defined $content ? $content : '';
}


# --- ports

# The port of that name, picked when it is first asked for.  Below the range
# of outgoing connections; a UDP socket on the same number keeps it from other
# tests until we end, and nginx free to bind it for TCP.  A port whose name
# begins with "quic" is free for UDP, and kept by a TCP socket.

sub port {
    my ($self, $name) = @_;

    my $ports = $self->{ports};
    return $ports->{$name} if $ports->{$name};
    return $name if $name =~ /^\d{4,5}$/;

    for my $try (1 .. 2000) {
        my $port = 10_000 + int rand 20_000;
        my %at = (LocalAddr => '127.0.0.1', LocalPort => $port);
        my $udp = IO::Socket::INET->new(%at, Proto => 'udp') or next;
        my $tcp = IO::Socket::INET->new(%at, Proto => 'tcp', Listen => 1,
            ReuseAddr => 1) or next;

        push @{$self->{locks}}, $name =~ /^quic/ ? $tcp : $udp;
        return $ports->{$name} = $port;
    }
    die "no free port found\n";
}


# --- configuration

sub write_conf {
    my ($self, $text) = @_;
    return $self->write_file('nginx.conf', $self->expand($text));
}


sub expand {
    my ($self, $text, %opt) = @_;

    my %value = (
        TESTDIR => sub { $self->{dir} },
        ROOT => sub { $root },
        GLOBALS => sub { $self->_globals(%opt) },
        HTTP_GLOBALS => sub { $self->_http_globals },
        TLS_SERVER => sub { $self->_tls_server },
    );

    $text =~ s/%%PORT_(\w+)%%/$self->port($1)/ge;
    $text =~ s/%%(\w+)%%/
        $value{$1} ? $value{$1}->() : die "unknown %%$1%%\n"/gex;
    return $text;
}


# the configuration test has files of its own: nginx -t truncates the pid
# file, and its complaints do not belong in the log of the running nginx

sub _globals {
    my ($self, %opt) = @_;

    my $dir = $self->{dir};
    my $name = $opt{test} ? 'config-test' : 'nginx';
    my $log = $opt{test} ? 'config-test.log' : 'error.log';
    my @lines = (
        'daemon off;', "pid $dir/$name.pid;",
        "error_log $dir/$log $self->{log};",
        "worker_processes $self->{workers};",
        $self->load_lines,
    );
    push @lines, "user $self->{user} " . _group($self->{user}) . ';'
        if $> == 0 && $self->{user};
    push @lines, $ENV{PLUM_TEST_GLOBALS} if $ENV{PLUM_TEST_GLOBALS};
    return join "\n", @lines;
}


# ours stands behind what the environment has, as in Debian's order, and before
# what the test itself wants; NGINX takes none twice

sub load_lines {
    my ($self) = @_;

    my %seen;
    return map { "load_module $_;" } grep { $_ && !$seen{abs_path($_)}++ }
        split(' ', $ENV{TEST_NGINX_MODULES} || ''), $self->{module},
        @{$self->{modules} || []};
}


sub _group {
    my ($user) = @_;

    my $gid = (getpwnam $user)[3];
    die "no user $user\n" if !defined $gid;
    return scalar getgrgid $gid;
}


sub _http_globals {
    my ($self) = @_;

    my @kinds = qw(client_body proxy fastcgi uwsgi scgi);
    return join "\n", 'access_log off;',
        map { "${_}_temp_path $self->{dir}/tmp/$_;" } @kinds;
}


sub _tls_server {
    my ($self) = @_;

    $self->certificates;
    return join "\n", "ssl_certificate $self->{dir}/server.crt;",
        "ssl_certificate_key $self->{dir}/server.key;";
}


# ca, server (localhost), client, and stranger (a client of another ca): .crt
# and .key each, made once per test

sub certificates {
    my ($self) = @_;

    Test::Plum::Certificates::make($self->{dir}) if !$self->{certificates}++;
    return $self->{dir};
}


# nginx -t on the text: (exit status, output)

sub test_config {
    my ($self, $text) = @_;

    my $path = $self->write_file('config-test.conf',
        $self->expand($text, test => 1));
    return run_command($self->_argv($path, 'config-test.log'), '-t');
}


sub _argv {
    my ($self, $conf, $early) = @_;

    my @wrapper = map { s/%%TESTDIR%%/$self->{dir}/gr } @{$self->{wrapper}};
    return (@wrapper, $self->{nginx}, '-p', "$self->{dir}/", '-c', $conf,
        '-e', "$self->{dir}/$early");
}


# --- running nginx

sub run {
    my ($self) = @_;

    unlink "$self->{dir}/nginx.pid";
    my $reports = "$self->{dir}/reports";
    my %env = (
        ASAN_OPTIONS => join(':', $ENV{ASAN_OPTIONS} || (),
            "log_path=$reports/asan", 'detect_odr_violation=0'),
        UBSAN_OPTIONS => join(':', $ENV{UBSAN_OPTIONS} || (),
            "log_path=$reports/ubsan", 'print_stacktrace=1'),
        %{$self->{env} || {}},
    );

    my @argv = $self->_argv("$self->{dir}/nginx.conf", 'start.log');
    $self->{child} = spawn(\@argv, env => \%env,
        stdout => "$self->{dir}/stderr.log",
        stderr => "$self->{dir}/stderr.log");

    my $patience = @{$self->{wrapper}} ? 60 : 10;
    my $up = poll_until(sub {
        return -1 if defined reap($self->{child});
        return $self->pid && $self->workers == $self->{workers};
    }, $patience);

    return $self if $up && $up ne '-1';

    Test::More::diag($self->read_file('start.log'),
        $self->read_file('stderr.log'), $self->error_log);
    die "nginx did not start\n";
}


# of the master; wrappers may fork, so that our child need not be it

sub pid {
    my ($self) = @_;

    return $1 if $self->read_file('nginx.pid') =~ /^(\d+)\n/;
    return 0;
}


# ids of the workers that serve; with all => 1 also of those that shut down

sub workers {
    my ($self, %opt) = @_;

    my $pid = $self->pid or return;
    my @pids = split ' ', _slurp("/proc/$pid/task/$pid/children");

    return grep {
        my $title = _slurp("/proc/$_/cmdline");
        # under valgrind and the like the title does not change
        my $worker = $title =~ /worker process/
            || (@{$self->{wrapper}} && $title !~ /cache|nginx: master/);
        $worker && ($opt{all} || $title !~ /shutting down/);
    } sort { $a <=> $b } @pids;
}


# 1 where the memory of a worker says nothing about what it needs: a sanitizer
# or valgrind adds to each allocation, and keeps what was freed for a while

sub keeps_freed {
    my ($self) = @_;

    my ($pid) = $self->workers;
    return _slurp("/proc/$pid/maps") =~ /libasan|valgrind/ ? 1 : 0;
}


sub _slurp {
    my ($path) = @_;

    open my $file, '<', $path or return '';
    local $/;
    my $text = <$file>;
    return defined $text ? $text : '';
}


sub signal {
    my ($self, $signal) = @_;

    my $pid = $self->pid or die "nginx does not run\n";
    return kill $signal, $pid;
}


# true when workers of the new configuration serve and the old ones have at
# least stopped to accept; false if that did not come about

sub reload {
    my ($self, $seconds) = @_;

    my %old = map { $_ => 1 } $self->workers(all => 1);
    $self->signal('HUP');

    return poll_until(sub {
        my @now = $self->workers;
        return @now == $self->{workers} && !grep { $old{$_} } @now;
    }, $seconds || 10);
}


# kills a worker and waits for its successor.  The log may then speak of it

sub kill_worker {
    my ($self, $pid, $signal) = @_;

    $pid ||= ($self->workers)[0];
    $self->expect_log(qr/worker process $pid exited on signal/);
    kill $signal || 'KILL', $pid or die "worker $pid: $!";

    return poll_until(sub {
        my @now = $self->workers;
        return @now == $self->{workers} && !grep { $_ == $pid } @now;
    }, 10);
}


# at once

sub stop {
    my ($self) = @_;
    return $self->_leave('TERM', 10);
}


# gracefully: true if all workers left by themselves in time

sub quit {
    my ($self, $seconds) = @_;
    return $self->_leave('QUIT', $seconds || 15);
}


sub _leave {
    my ($self, $signal, $seconds) = @_;

    my $child = $self->{child} or return 1;
    my @family = ($self->pid, $self->workers(all => 1));

    kill $signal, grep { $_ } $self->pid || $child;
    my $left = poll_until(sub { defined reap($child) }, $seconds);

    if (!$left) {
        $self->{stuck}++;
        kill 'TERM', grep { $_ } $family[0];
        poll_until(sub { defined reap($child) }, 3)
            or kill 'KILL', grep { $_ } @family;
        end_process($child, 'KILL');
    }

    $self->{status} = reap($child);
    delete $self->{child};
    return $left;
}


# --- logs

sub error_log {
    my ($self) = @_;
    return $self->read_file('error.log');
}


# waits for a line that matches; the line, or undef

sub wait_log {
    my ($self, $regex, $seconds, $name) = @_;

    my $line;
    poll_until(sub {
        my @lines = split /\n/, $self->read_file($name || 'error.log');
        ($line) = grep { $_ =~ $regex } @lines;
        return defined $line;
    }, $seconds || 3);
    return $line;
}


# lines that would fail the test, yet belong to what it does

sub expect_log {
    my ($self, $regex) = @_;
    push @{$self->{expected}}, $regex;
    return $self;
}


# lines that tell of damage, from every place where they may stand

sub damage {
    my ($self) = @_;

    my @lines = map { split /\n/, $self->read_file($_) }
        qw(start.log stderr.log error.log);
    my %seen;
    my @bad;

    for my $line (grep { $_ =~ $DAMAGE && !$seen{$_}++ } @lines) {
        push @bad, $line if !grep { $line =~ $_ } @{$self->{expected}};
    }

    push @bad, map { "$_: " . $self->read_file($_) }
        grep { -s $_ } glob "$self->{dir}/reports/*";
    push @bad, map { "core dump $_" } glob "$self->{dir}/core*";
    return @bad;
}


# ends a test: everything is stopped, nothing was damaged

sub done_testing {
    my ($self) = @_;

    my $left = $self->quit;
    $_->stop for @{$self->{upstreams}};

    Test::More::ok($left && !$self->{stuck}, 'nginx quits when asked');
    my @bad = $self->damage;
    Test::More::is(join("\n", @bad), '', 'no alert, no crash in the logs');
    $self->{checked} = 1;

    Test::More::done_testing();
    return;
}


# --- the two ends

# starts an upstream on the port of that name

sub upstream {
    my ($self, $name) = @_;

    my $up = Test::Plum::Upstream->new(name => $name, dir => $self->{dir},
        port => $self->port($name));
    push @{$self->{upstreams}}, $up;
    return $up;
}


# a client of the port of that name; more options: see the class

sub client {
    my ($self, $name, %opt) = @_;

    $self->certificates if $opt{tls};
    return Test::Plum::Client->new(port => $self->port($name),
        dir => $self->{dir}, %opt);
}


# one request on a connection of its own; port (name, 0), tls, and what
# Test::Plum::Client->request takes

sub request {
    my ($self, %opt) = @_;

    my %to = map { $_ => delete $opt{$_} }
        grep { exists $opt{$_} } qw(tls timeout version cert sni);
    my $name = delete $opt{port};
    return $self->client(defined $name ? $name : 0, %to)->request(%opt);
}


# requests (what signed() returns, or hashes for request()) that are all sent
# before an answer is read; to: a hash as for client(), with the port's name

sub parallel {
    my ($self, $to, @requests) = @_;

    my %to = %$to;
    $self->certificates if $to{tls};
    $to{port} = $self->port(defined $to{port} ? $to{port} : 0);
    return Test::Plum::Client->parallel({dir => $self->{dir}, %to},
        @requests);
}


# one signed delivery: scheme and its parameters, secret, id, ts, extra (see
# Plum::Sign), body; sign => [{...}, ...] for several schemes; client for a
# connection to reuse; the rest as in request().  headers override what the
# signature brings; an undef value removes

sub deliver {
    my ($self, %opt) = @_;

    my $client = delete $opt{client};
    my %request = $self->signed(%opt);
    return $client ? $client->request(%request) : $self->request(%request);
}


# what deliver() and signed() take for an event with this id, signed as GitHub
# does

sub keyed {
    my ($self, $secret, $uri, $key, %more) = @_;

    return (scheme => 'github', secret => $secret, uri => $uri,
        body => qq({"id":"$key"}), %more);
}


# what deliver() would send, for parallel() and for mutations

sub signed {
    my ($self, %opt) = @_;

    my $sets = delete $opt{sign} || [{map { $_ => delete $opt{$_} }
        grep { exists $opt{$_} } Plum::Sign::parameters(), qw(secret)}];
    my %facts = map { $_ => delete $opt{$_} } qw(id ts extra);
    $facts{id} = _message_id() if !defined $facts{id};
    $opt{body} = '{}' if !defined $opt{body};
    $facts{uri} = defined $opt{uri} ? $opt{uri} : '/';

    my @headers = ['content-type', 'application/json'];
    for my $set (@$sets) {
        my %scheme = %$set;
        my $secret = delete $scheme{secret};
        my $signer = Plum::Sign->new(%scheme);
        my $ts = defined $facts{ts} ? $facts{ts}
            : $signer->spelt_time(int time());
        push @headers, $signer->headers(%facts, ts => $ts,
            body => $opt{body}, secret => $secret);
    }

    $opt{headers} = Plum::Sign::override(\@headers, $opt{headers});
    return (method => 'POST', %opt);
}


my $serial = 0;

sub _message_id {
    return sprintf 'msg_%d_%d_%06d', $$, ++$serial, int rand 1e6;
}


# --- the end, however it comes

$SIG{$_} = sub { exit 1 } for qw(INT TERM HUP);
$SIG{PIPE} = 'IGNORE';

END {
    if ($$ == $OWNER) {
        my $status = $?;
        $status = 1 if grep { !$_->_end } @instances;
        $? = $status;
    }
}


# false if a test that forgot done_testing() left damage

sub _end {
    my ($self) = @_;

    $self->stop;
    my @bad = $self->{checked} ? () : $self->damage;
    Test::More::diag(map { "$_\n" } @bad) if @bad;
    Test::More::diag($self->error_log) if $ENV{TEST_NGINX_CATLOG};

    if ($ENV{TEST_NGINX_LEAVE}) {
        Test::More::diag("files are in $self->{dir}");
    } else {
        File::Path::remove_tree($self->{dir});
    }
    return !@bad;
}

1;
