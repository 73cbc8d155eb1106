package Plum::Queue;

# What is in a queue of the module, and what an operator may change: the keys
# and fields are those of include/plum_queue.h.  Each change is one script.

use strict;
use warnings;

my $SLOTS = 16384;
my $PAGE = 100;             # entries that are read at a time


# %opt: cli (a Plum::RedisCli), queue, prefix, shards (0: those found),
#       cluster (true: keys are looked for at each master)

sub new {
    my ($class, %opt) = @_;
    return bless {%opt}, $class;
}


# --- keys

sub key {
    my ($self, $tag, @rest) = @_;
    return join ':', $self->{prefix} . $tag, @rest;
}


# those of a consumer, in the order of the scripts

sub keys_of {
    my ($self, $tag, $name) = @_;
    return map { $self->key($tag, $_, $name) } qw(s lease due ctl dead);
}


# the hash tags of a queue with so many shards, as plum_queue_tag()

sub tags {
    my ($self, $shards) = @_;

    my $queue = $self->{queue};
    return "{$queue}" if $shards <= 1;
    return map {
        my ($shard, $n) = ($_, $_);
        $n += $shards
            while int(slot("$queue.$n") * $shards / $SLOTS) != $shard;
        "{$queue.$n}";
    } 0 .. $shards - 1;
}


# CRC16 of XMODEM, as Redis Cluster has it

sub slot {
    my ($text) = @_;

    my $crc = 0;
    for my $byte (unpack 'C*', $text) {
        $crc ^= $byte << 8;
        $crc = $crc & 0x8000 ? ($crc << 1 ^ 0x1021) & 0xffff
            : $crc << 1 & 0xffff for 1 .. 8;
    }
    return $crc % $SLOTS;
}


# FNV-1a, as plum_queue_shard()

sub shard {
    my ($key, $shards) = @_;

    my $hash = 2166136261;
    $hash = ($hash ^ $_) * 16777619 & 0xffffffff for unpack 'C*', $key;
    return $hash % $shards;
}


# each node that has keys

sub nodes {
    my ($self) = @_;

    my $cli = $self->{cli};
    return $cli if !$self->{cluster};

    my %at;
    for my $range (@{$cli->command('CLUSTER', 'SLOTS')}) {
        my ($host, $port) = @{$range->[2]};
        $at{"$host $port"} ||= $cli->at($host, $port);
    }
    return @at{sort keys %at};
}


# the keys of the queue of one kind ("s", "dead", "k"), with tag and name

sub scan {
    my ($self, $kind, @type) = @_;

    my $glob = $self->{prefix} . '{' . $self->{queue};
    $glob =~ s/([][*?\\^])/\\$1/g;
    my $own = qr/\A\Q$self->{prefix}\E(\{\Q$self->{queue}\E(?:\.\d+)?\})
        :\Q$kind\E:(.+)\z/sx;

    my @found;
    for my $node ($self->nodes) {
        my $cursor = 0;
        do {
            (($cursor), my $keys) = @{$node->command('SCAN', $cursor, 'MATCH',
                "$glob*}:$kind:*", 'COUNT', 1000, @type)};
            push @found, map { $_ =~ $own ? [$1, $2] : () } @$keys;
        } while $cursor;
    }
    return @found;
}


# {tag, name} of each stream; "published" where no group of ours is on it

sub streams {
    my ($self) = @_;

    my %seen;
    for my $kind (qw(s dead)) {
        $seen{"@$_"} = $_ for $self->scan($kind, 'TYPE', 'stream');
    }
    return map { {tag => $_->[0], name => $_->[1]} }
        @seen{sort keys %seen};
}


# --- what is there

my $NOW = <<'LUA';
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
LUA

my $SUMMARY = $NOW . <<'LUA';
local pending = redis.pcall('XPENDING', KEYS[1], 'plum')
local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
local age = -1
for i = 1, first and #first[2] or 0, 2 do
    if first[2][i] == 't' then age = now - first[2][i + 1] end
end
local pause = redis.call('HMGET', KEYS[4], 'paused', 'until')
return {redis.call('XLEN', KEYS[1]), pending.err and -1 or pending[1],
    redis.call('ZCARD', KEYS[2]), redis.call('ZCARD', KEYS[3]),
    redis.call('XLEN', KEYS[5]), age, pause[1], pause[2], now}
LUA

my $ENTRIES = $NOW . <<'LUA';
local out = {}
for _, e in ipairs(redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[2], 'COUNT',
    ARGV[3]))
do
    local f = {}
    for i = 1, #e[2], 2 do f[e[2][i]] = e[2][i + 1] end
    local lease = redis.call('ZSCORE', KEYS[2], e[1])
    local due = redis.call('ZSCORE', KEYS[3], e[1])
    local p = redis.pcall('XPENDING', KEYS[1], 'plum', e[1], e[1], 1)
    local count = not p.err and p[1] and p[1][4] or 0
    local free = redis.call('HGET', KEYS[4], 'f:' .. e[1]) or 0
    out[#out + 1] = {e[1], f.k or '', f.e or '', now - (f.t or now),
        #(f.b or ''), lease and 'in flight' or due and 'retry'
        or count > 0 and 'lost its clock' or 'waiting',
        (lease or due or now) - now, count - free,
        ARGV[4] == '1' and f.b or false}
end
return out
LUA

my $DEAD = $NOW . <<'LUA';
local out = {}
for _, e in ipairs(redis.call('XRANGE', KEYS[5], ARGV[1], ARGV[2], 'COUNT',
    ARGV[3]))
do
    local f = {}
    for i = 1, #e[2], 2 do f[e[2][i]] = e[2][i + 1] end
    out[#out + 1] = {e[1], f.k or '', f.e or '', now - (f.t or now),
        #(f.b or ''), 'dead', now - string.match(e[1], '^%d+'),
        f.a or 0, ARGV[4] == '1' and f.b or false, f.i or '', f.s or 0,
        f.r or ''}
end
return out
LUA


# a script with the keys of a consumer

sub script {
    my ($self, $lua, $stream, @argv) = @_;

    my @keys = $self->keys_of(@$stream{qw(tag name)});
    return $self->{cli}->command('EVAL', $lua, scalar @keys, @keys, @argv);
}


sub summary {
    my ($self, $stream) = @_;

    my %sum;
    @sum{qw(entries pending leased due dead oldest_ms paused_by until now)}
        = @{$self->script($SUMMARY, $stream)};
    $sum{kind} = $sum{pending} < 0 && !$sum{dead} ? 'published' : 'consumer';
    $sum{pending} = 0 if $sum{pending} < 0;
    $sum{waiting} = $sum{entries} - $sum{leased} - $sum{due};
    return {%$stream, %sum};
}


# calls $each with every entry ("s"), or dead letter ("dead"), of a consumer

sub walk {
    my ($self, $kind, $stream, $each, %opt) = @_;

    my ($from, $left) = ($opt{id} // '-', $opt{limit} // 9e15);
    while ($left > 0) {
        my $page = $self->script($kind eq 's' ? $ENTRIES : $DEAD, $stream,
            $from, $opt{id} // '+', $left < $PAGE ? $left : $PAGE,
            $opt{body} ? 1 : 0);
        for my $fields (@$page) {
            my %entry = %$stream;
            @entry{qw(id key event age_ms bytes state ms attempts body
                first_id status reason)} = @$fields;
            $each->(\%entry);
        }
        last if defined $opt{id} || @$page < $PAGE;
        $left -= @$page;
        $from = "($page->[-1][0]";
    }
    return;
}


# pending entries that are in neither clock, and ids of the clocks that are not
# pending; from is "-" at first, and the first of what is returned after that

my $CLOCKS = <<'LUA';
local from = ARGV[1] == '-' and '-' or '(' .. ARGV[1]
local p = redis.pcall('XPENDING', KEYS[1], 'plum', from, '+', 1000)
local lost, dangling = 0, 0
for i = 1, p.err and 0 or #p do
    local id = p[i][1]
    if not redis.call('ZSCORE', KEYS[2], id)
        and not redis.call('ZSCORE', KEYS[3], id)
    then
        lost = lost + 1
    end
end
for set = 2, ARGV[1] == '-' and 3 or 0 do
    for _, id in ipairs(redis.call('ZRANGE', KEYS[set], 0, 999)) do
        local q = redis.pcall('XPENDING', KEYS[1], 'plum', id, id, 1)
        if q.err or not q[1] then dangling = dangling + 1 end
    end
end
return {not p.err and p[1000] and p[1000][1] or '-', lost, dangling}
LUA

sub clocks {
    my ($self, $stream) = @_;

    my ($from, $lost, $dangling) = ('-', 0, 0);
    do {
        ($from, my @n) = @{$self->script($CLOCKS, $stream, $from)};
        $lost += $n[0];
        $dangling += $n[1];
    } while $from ne '-';
    return ($lost, $dangling);
}


# --- changes

my $REMOVE = <<'LUA';
local function remove(id)
    redis.call('XACK', KEYS[1], 'plum', id)
    redis.call('XDEL', KEYS[1], id)
    redis.call('ZREM', KEYS[2], id)
    redis.call('ZREM', KEYS[3], id)
    redis.call('HDEL', KEYS[4], 'l:' .. id, 'f:' .. id)
end
LUA

my $GROUP = <<'LUA';
local group = redis.pcall('XPENDING', KEYS[1], 'plum')
if group.err then
    redis.call('XGROUP', 'CREATE', KEYS[1], 'plum', '0', 'MKSTREAM')
end
LUA

my $DROP = $REMOVE . <<'LUA';
if redis.call('ZSCORE', KEYS[2], ARGV[1]) then return 'in flight' end
if #redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1]) == 0 then return 'gone' end
remove(ARGV[1])
return 'ok'
LUA

my $DROP_DEAD = <<'LUA';
return redis.call('XDEL', KEYS[5], ARGV[1]) == 1 and 'ok' or 'gone'
LUA

# a new entry, with the key and the time of the first one
my $REPLAY = $GROUP . <<'LUA';
local e = redis.call('XRANGE', KEYS[5], ARGV[1], ARGV[1])[1]
if not e then return 'gone' end
local f = {}
for i = 1, #e[2], 2 do f[e[2][i]] = e[2][i + 1] end
redis.call('XADD', KEYS[1], '*', 'k', f.k, 'e', f.e, 't', f.t, 'b', f.b)
redis.call('XDEL', KEYS[5], ARGV[1])
return 'ok'
LUA

my $PAUSE = <<'LUA';
redis.call('HSET', KEYS[4], 'paused', ARGV[1], 'until', 0)
return 'ok'
LUA

my $RESUME = <<'LUA';
return redis.call('HDEL', KEYS[4], 'paused', 'until') > 0 and 'ok' or 'gone'
LUA

my $APPEND = <<'LUA';
local group = redis.pcall('XPENDING', KEYS[1], 'plum')
if group.err and ARGV[1] == 'consumer' then
    redis.call('XGROUP', 'CREATE', KEYS[1], 'plum', '0', 'MKSTREAM')
end
redis.call('XADD', KEYS[ARGV[2] == 'dead' and 5 or 1], '*',
    unpack(ARGV, 3))
return 'ok'
LUA

sub drop {
    my ($self, $entry) = @_;
    return $self->script($entry->{state} eq 'dead' ? $DROP_DEAD : $DROP,
        $entry, $entry->{id});
}


sub replay {
    my ($self, $entry) = @_;
    return $self->script($REPLAY, $entry, $entry->{id});
}


sub pause {
    my ($self, $stream, $by) = @_;
    return $self->script($PAUSE, $stream, $by);
}


sub resume {
    my ($self, $stream) = @_;
    return $self->script($RESUME, $stream);
}


# --- another number of shards

# Records go first, so that no copy of an event gets in meanwhile, each to the
# shard of its key; then what is not in flight, from tags that are no longer
# used.  Returns how many entries have stayed because they are in flight.

sub move {
    my ($self, $shards, $each) = @_;

    my @to = $self->tags($shards);
    my %new = map { $_ => 1 } @to;

    for my $record ($self->scan('k')) {
        my $tag = $to[shard($record->[1], $shards)];
        next if $tag eq $record->[0];
        $self->move_record($record, $tag);
        $each->('record');
    }

    my $left = 0;
    for my $stream (grep { !$new{$_->{tag}} } $self->streams) {
        my $sum = $self->summary($stream);
        $self->pause($stream, 'move') if $sum->{kind} eq 'consumer';
        $left += $self->move_stream($sum, $shards, \@to, $each);
        $self->forget($stream) if $self->is_empty($stream);
    }
    return $left;
}


sub move_record {
    my ($self, $record, $tag) = @_;

    my $old = $self->key($record->[0], 'k', $record->[1]);
    my $ms = $self->{cli}->command('PTTL', $old);
    $self->{cli}->command('SET', $self->key($tag, 'k', $record->[1]), 'd',
        'PX', $ms, 'NX') if $ms > 0;
    $self->{cli}->command('DEL', $old);
    return;
}


# first there, then away: what is interrupted doubles an entry, and loses none

sub move_stream {
    my ($self, $stream, $shards, $to, $each) = @_;

    my $left = 0;
    for my $kind (qw(s dead)) {
        my @ids;
        $self->walk($kind, $stream, sub {
            my ($entry) = @_;
            if ($entry->{state} eq 'in flight') {
                $left++;
                return;
            }
            push @ids, $entry->{id};
        });
        for my $id (@ids) {
            my ($fields) = map { $_->[1] } @{$self->{cli}->command('XRANGE',
                $self->key($stream->{tag}, $kind, $stream->{name}), $id, $id)};
            next if !$fields;
            my %field = @$fields;
            $self->script($APPEND,
                {%$stream, tag => $to->[shard($field{k} // '', $shards)]},
                $stream->{kind}, $kind, @$fields);
            $self->drop({%$stream, id => $id,
                state => $kind eq 'dead' ? 'dead' : ''});
            $each->($kind);
        }
    }
    return $left;
}


sub is_empty {
    my ($self, $stream) = @_;

    my $sum = $self->summary($stream);
    return !$sum->{entries} && !$sum->{dead};
}


sub forget {
    my ($self, $stream) = @_;

    my @keys = $self->keys_of(@$stream{qw(tag name)});
    $self->{cli}->command('DEL', @keys);
    return;
}

1;
