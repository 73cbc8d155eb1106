package Bench::Site;

# Everything that runs while something is measured: the upstream, Redis and
# the gateways, each pinned to its core.  It stands on the tests' harness: a
# folder, free ports, loopback only, and all of it ended by process id.
#
#   my $site = Bench::Site->new;
#   my $gateway = $site->gateway(row('memory'));     # starts when asked first
#   my $result = $site->load($gateway, size => '1k', seconds => 0.5);

use strict;
use warnings;

use File::Basename qw(dirname);
use JSON::PP ();

use lib dirname(__FILE__) . '/../../../t/lib';
use Test::Plum;
use Test::Plum::Process qw(spawn end_process poll_until run_command reap);
use Test::Plum::Redis;

use Bench::Awake;
use Bench::Rows qw(row);

my $SECRET = 'bench-secret-0123456789abcdef-0123456789';

my %VARS = (STORE => 'memory:1m', TLS => 'off', MODE => 'enforce',
    RETENTION => '7d', LUA_STORE => 'none', ACCESS => 'off',
    ACCEPTED => 'aof', STATUS => '');
my @PLACES = qw(MAIN HTTP LOCATION SERVER);


# %opt:
#   record    a file: the upstream writes all bodies there
#   cores     {gateway => [0], load => 1, upstream => 1, redis => 1}
#   workers   of NGINX (1)
#   wrapper   a command in front of NGINX, which is a single process then
#   redis     0: none

sub new {
    my ($class, %opt) = @_;

    my $self = bless {
        workers => 1, cores => cores(), redis => 1, gateways => {},
        awake => Bench::Awake->new, %opt,
    }, $class;

    my $base = $self->{base} = Test::Plum->new(module => 0, log => 'warn');
    $self->{root} = $base->root;
    $self->{build} = "$self->{root}/build/bench";
    $self->{secret} = $base->secret('secret', $SECRET);
    $base->certificates;
    $self->_start_sink;
    $self->_start_redis if $self->{redis};
    return $self;
}


# which core does what; with two of them the gateway has one of its own

sub cores {
    my $n = grep { /^processor\s*:/ } split /\n/, slurp('/proc/cpuinfo');
    my @of = $n >= 4 ? (0 .. 3) : $n >= 2 ? (0, 1, 1, 1) : (0, 0, 0, 0);
    return {gateway => [$of[0]], load => $of[1], upstream => $of[2],
        redis => $of[3]};
}


sub slurp {
    my ($path) = @_;

    open my $file, '<:raw', $path or die "$path: $!\n";
    local $/;
    my $text = <$file>;
    return defined $text ? $text : '';
}


sub secret_text { return $SECRET }


sub pinned {
    my ($core, @argv) = @_;
    return ('taskset', '-c', $core, @argv);
}


sub _start_sink {
    my ($self) = @_;

    my $port = $self->{base}->port('up');
    my $log = $self->{base}->path('sink.log');
    $self->{sink} = spawn([pinned($self->{cores}{upstream},
        "$self->{build}/plum_sink", '--port', $port,
        $self->{record} ? ('--record', $self->{record}) : ())],
        stdout => $log, stderr => $log);
    wait_port($port, $self->{sink}, $log);
    return;
}


# Redis is pinned after it has started: all its threads

sub _start_redis {
    my ($self) = @_;

    # as it would be set up: no snapshots here, TCP and a socket
    $self->{redis} = Test::Plum::Redis->new(test => $self->{base},
        conf => ['loglevel warning', $self->{redis_conf} || ()]);
    run_command('taskset', '-acp', $self->{cores}{redis},
        $self->{redis}{pid});
    return;
}


sub wait_port {
    my ($port, $pid, $log) = @_;

    my $up = poll_until(sub {
        return -1 if defined reap($pid);
        return IO::Socket::INET->new(PeerAddr => '127.0.0.1',
            PeerPort => $port);
    }, 15);
    die "nothing listens on port $port: " . slurp($log)
        if !$up || !ref $up;
    return;
}


# where events wait: on disk within a second, as accepted=aof asks for

sub queue_redis {
    my ($self) = @_;

    return $self->{queue} ||= do {
        my $redis = Test::Plum::Redis->new(test => $self->{base},
            name => 'queue', conf => ['loglevel warning', 'appendonly yes',
            'appendfsync everysec', 'auto-aof-rewrite-percentage 0']);
        run_command('taskset', '-acp', $self->{cores}{redis}, $redis->{pid});
        $redis;
    };
}


# empty, with a consumer that is paused, or is not

sub prepare_queue {
    my ($self, $row) = @_;

    my $redis = $self->queue_redis;
    $redis->command('CONFIG', 'SET', 'appendfsync',
        $row->{fsync} ? 'always' : 'everysec');
    $redis->command('FLUSHALL');
    $redis->command('HSET', 'plum:{events}:ctl:consumer',
        paused => 'bench', until => 0) if $row->{queue} eq 'paused';
    return;
}


# entries that wait or are under way: ours, and those of BullMQ

sub queue_left {
    my ($self) = @_;

    my $left = 0;
    $left += $self->queue_redis->command(@$_)
        for [XLEN => 'plum:{events}:s:consumer'],
        [LLEN => 'bull:events:wait'], [LLEN => 'bull:events:active'];
    return $left;
}


# --- gateways: {row, port, pids, test or pid}

sub gateway {
    my ($self, $row) = @_;

    # what it promises is checked as soon as it connects
    $self->prepare_queue($row) if $row->{queue};

    # rows that differ in the load only have one gateway
    my $key = join ' ', $row->{conf} || "node $row->{node}",
        map { "$_=$row->{vars}{$_}" } sort keys %{$row->{vars}};
    my $gateway = $self->{gateways}{$key}
        ||= $row->{node} ? $self->_node($row) : $self->_nginx($row);
    return {%$gateway, row => $row,
        port => $row->{tls} ? $gateway->{tls_port} : $gateway->{port}};
}


sub _nginx {
    my ($self, $row) = @_;

    my $cores = join ',', @{$self->{cores}{gateway}};
    my $t = Test::Plum->new(module => 0, log => 'warn',
        workers => $self->{wrapper} ? 0 : $self->{workers},
        wrapper => [pinned($cores), @{$self->{wrapper} || []}]);
    $t->{ports}{$_} = $self->{base}->port($_) for qw(up redis);

    $t->write_conf($self->_conf($row));
    $t->run;
    return {test => $t, port => $t->port(0), tls_port => $t->port('tls'),
        pids => $self->{wrapper} ? [$t->pid] : [$t->workers]};
}


sub _conf {
    my ($self, $row) = @_;

    my $dir = "$self->{root}/bench/conf";
    my %part = map { $_ => '' } @PLACES;
    my $part;
    for my $line (split /^/, slurp("$dir/$row->{conf}.conf")) {
        if ($line =~ /^# (main|http|location|server)$/) {
            $part = uc $1;
        } elsif (defined $part) {
            $part{$part} .= $line;
        }
    }

    my $text = slurp("$dir/frame.conf") =~ s/^#.*\n//gmr;
    $text =~ s/%%$_%%/$part{$_}/ for @PLACES;

    my %vars = (%VARS, %{$row->{vars}},
        SECRET => $self->{secret}, SECRET_TEXT => $SECRET,
        MODULE => "$self->{root}/build/ngx_http_plum_module.so",
        PROCESS => $self->{wrapper} ? 'master_process off;'
            : 'worker_rlimit_nofile 16384;',
        REDIS => $self->{redis} ? $self->{redis}{socket} : '',
        QUEUE => $row->{queue} ? $self->queue_redis->{socket} : '');
    $text =~ s/%%$_%%/$vars{$_}/g for sort keys %vars;
    # what a word brings may hold another one
    $text =~ s/%%REDIS%%/$vars{REDIS}/g;
    return $text;
}


sub _node {
    my ($self, $row) = @_;

    my $base = $self->{base};
    my $port = $base->port("node $row->{node}");
    my $log = $base->path('node.log');
    my $redis = $row->{queue} ? $self->queue_redis : $self->{redis};

    chdir "$self->{build}/node"
        or die "the Node.js peer is not installed: make bench-deps\n";
    my $pid = spawn([pinned($self->{cores}{gateway}[0], 'node',
        "$self->{root}/bench/peers/node/$row->{node}.mjs", $port,
        $base->port('up'), $self->{secret}, $redis->{socket})],
        env => {NODE_ENV => 'production'}, stdout => $log, stderr => $log);
    chdir $self->{root};
    wait_port($port, $pid, $log);
    return {port => $port, pids => [$pid], pid => $pid};
}


# ends a gateway; the next gateway() of its row starts another

sub end_gateway {
    my ($self, $gateway) = @_;

    my $all = $self->{gateways};
    for my $key (keys %$all) {
        delete $all->{$key} if $all->{$key}{pids} == $gateway->{pids};
    }
    return end_process($gateway->{pid}) if $gateway->{pid};
    $gateway->{test}->quit;
    return;
}


# lines of the gateways' logs that should not be there

sub damage {
    my ($self) = @_;
    return map { $_->{test} ? $_->{test}->damage : () }
        values %{$self->{gateways}};
}


sub finish {
    my ($self) = @_;

    my @bad = $self->damage;
    $self->end_gateway($_) for values %{$self->{gateways}};
    $_->stop for grep { $_ } @$self{qw(redis queue)};
    end_process($self->{sink});
    return @bad;
}


# --- the load

# %opt: size; seconds, warmup, connections, copies, count, rate; watch: more
# processes, name => [pids]

sub load {
    my ($self, $gateway, %opt) = @_;

    my $queue = $gateway->{row}{queue};
    $self->prepare_queue($gateway->{row}) if $queue;

    my %watch = (gateway => $gateway->{pids}, upstream => [$self->{sink}],
        $self->{redis} ? (redis => [$self->{redis}{pid}]) : (),
        $queue ? (redis => [$self->queue_redis->{pid}]) : (),
        %{$opt{watch} || {}});
    my @argv = ("$self->{build}/plum_load", '--port', $gateway->{port},
        '--path', '/events', '--secret', $SECRET,
        '--bodies', "$self->{build}/bodies/$opt{size}",
        map({ ("--$_", $opt{$_}) }
            grep { defined $opt{$_} }
            qw(seconds warmup connections copies count rate settle)),
        map({ ('--watch', "$_=" . join ',', @{$watch{$_}}) }
            sort keys %watch));
    push @argv, '--tls' if $gateway->{row}{tls};

    my ($status, $out) = run_command(pinned($self->{cores}{load}, @argv));
    my $result = eval { JSON::PP::decode_json($out) };
    die "$gateway->{row}{name}, $opt{size}: $out\n" if $status || !$result;
    $result->{left} = $self->queue_left if $queue;
    return $result;
}


# the same, where a failure makes the figures worthless

sub load_well {
    my ($self, $gateway, %opt) = @_;

    my $result = $self->load($gateway, %opt);
    my $failed = failures($result);
    die "$gateway->{row}{name}, $opt{size}: $failed of $result->{events}"
        . " failed\n" if $failed || !$result->{events};
    die "$gateway->{row}{name}, $opt{size}: $result->{left} events are not"
        . " delivered\n" if $result->{left} && $gateway->{row}{queue} eq '1';
    return $result;
}


# row and plain in turns: what Bench::Report's summary() takes

sub turns {
    my ($self, $gateway, $ref, $rounds, %opt) = @_;

    my @taken;
    my $before = $self->load_well($ref, %opt);
    for (1 .. $rounds) {
        my $result = $self->load_well($gateway, %opt);
        my $after = $self->load_well($ref, %opt);
        push @taken, {row => $result, refs => [$before, $after]};
        $before = $after;
    }
    return \@taken;
}


# a port where Redis answers so many microseconds later

sub delayed_redis {
    my ($self, $delay) = @_;

    my $port = $self->{base}->port("delay_$delay");
    my $log = $self->{base}->path('delay.log');
    my $pid = spawn([pinned($self->{cores}{redis},
        "$self->{build}/plum_delay", '--port', $port, '--target',
        $self->{redis}->port, '--delay', $delay)],
        stdout => $log, stderr => $log);
    wait_port($port, $pid, $log);
    return $port;
}


# deliveries that were not answered as they should be

sub failures {
    my ($result) = @_;

    my $n = $result->{errors};
    for my $kind (qw(new copy)) {
        my $status = $result->{status}{$kind};
        $n += $status->{$_} for grep { !/^2/ } keys %$status;
    }
    return $n;
}

1;
