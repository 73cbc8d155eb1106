#!/usr/bin/perl

# plum_satisfy: several lines of plum_signature, of which all must hold or one
# is enough; which reason is given when none holds; what is forwarded; and
# where nginx -t refuses a line that makes another one void.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Plum;
use Test::Plum::Cases;

my %SECRET = (api => 'an api key of many bytes', old => 'the one before it.',
    sig => 'a signing secret of many bytes', tok => 'a token of many bytes');
my $OTHER = 'another secret of many bytes';
my $MARK = 'a-mark-in-every-body';
my $MISSING = 'credential_missing';
my $MALFORMED = 'credential_malformed';
my $MISMATCH = 'credential_mismatch';
my $STALE = 'timestamp_stale';

# how far a line got: the reason of the one that got farthest is given
my %FAR = ($MISSING => 1, $MALFORMED => 2, $MISMATCH => 3, $STALE => 4);

my $t = Test::Plum->new;
my $up = $t->upstream('up');
my $cases = Test::Plum::Cases->new($t, $up,
    good => sub { return delivery('/any', key => 'right') });

$t->secret($_, $SECRET{$_}) for keys %SECRET;
$t->write_conf(<<'CONF'
%%GLOBALS%%
events {}
http {
    %%HTTP_GLOBALS%%
    FORMAT
    keepalive_requests 100000;
    plum_secret api %%TESTDIR%%/api;
    plum_secret api %%TESTDIR%%/old;
    plum_secret sig %%TESTDIR%%/sig;
    plum_secret tok %%TESTDIR%%/tok;
    plum_allowlist all_but { allow text; }
    plum_allow all;
    plum_tls off;
    server {
        listen 127.0.0.1:%%PORT_0%%;
        LOG
        location /any { ANY KEY HOOK PASS }
        location /yna { ANY HOOK KEY PASS }
        location /all { ALL KEY HOOK PASS }
        location /default { plum on; KEY HOOK PASS }
        location /one { ANY KEY PASS }
        location /body { ANY TOKEN HOOK PASS }
        location /three { ANY HOOK TOKEN KEY PASS }
        location /json { ANY TIMED KEY PASS }
        location /observe { ANY KEY HOOK plum_mode observe; PASS }
        location /outer {
            plum_satisfy any; KEY HOOK
            location /outer/inner { plum on; PASS }
        }
    }
}
CONF
    =~ s/FORMAT/Test::Plum::Cases->log_format/er
    =~ s/LOG/Test::Plum::Cases->access_log/er
    =~ s/(ANY|ALL)/plum on; plum_satisfy \L$1;/gr
    =~ s/KEY/plum_signature api-key secret=api;/gr
    =~ s/HOOK/plum_signature standard-webhooks secret=sig;/gr
    =~ s/TOKEN/plum_signature body-token secret=tok path=auth.token;/gr
    =~ s/TIMED/plum_signature hmac secret=sig header=x-sig timestamp=json:at;/gr
    =~ s/PASS/proxy_pass http:\/\/127.0.0.1:%%PORT_up%%;/gr);
$t->run;
my @workers = $t->workers;

two($_) for qw(/any /yna /outer/inner);
every($_) for qw(/all /default);
one();
tokens();
three();
body_times();
removed();
before_the_body();
parsing();
observed();
is(join(' ', $t->workers), "@workers", 'the worker of the beginning');
$cases->finish;
configurations();

my $log = $t->error_log;
is_deeply([grep { index($log, $_) >= 0 } $MARK, $OTHER, values %SECRET], [],
    'no secret and no body in the log');
$t->done_testing;


# a delivery whose lines are: right, wrong, malformed, missing, stale; key may
# be old, too

sub delivery {
    my ($uri, %line) = @_;

    my $token = $line{token} || 'missing';
    my $auth = $token eq 'missing' ? '' : sprintf ',"auth":{"token":"%s"}',
        $token eq 'right' ? $SECRET{tok} : $OTHER;
    my $at = time() - (($line{timed} || '') eq 'stale' ? 1000 : 0);
    my $body = $line{body} || qq({"text":"$MARK","at":$at$auth});

    my @sign;
    my $hook = $line{hook} || 'missing';
    push @sign, {scheme => 'standard-webhooks',
        secret => $hook eq 'wrong' ? $OTHER : $SECRET{sig}}
        if $hook ne 'missing';
    my $timed = $line{timed} || 'missing';
    push @sign, {scheme => 'hmac', header => 'x-sig',
        secret => $timed eq 'wrong' ? $OTHER : $SECRET{sig}}
        if $timed ne 'missing';
    my %request = $t->signed(uri => $uri, body => $body, sign => \@sign,
        ts => $hook eq 'stale' ? time() - 1000 : time());

    my %key = (right => $SECRET{api}, old => $SECRET{old}, wrong => $OTHER);
    my $key = $line{key} || 'missing';
    push @{$request{headers}}, ['x-api-key', $key{$key}] if $key{$key};
    push @{$request{headers}}, map { ['x-api-key', $SECRET{api}] } 1, 2
        if $key eq 'malformed';
    $request{headers} = Plum::Sign::override($request{headers},
        {'webhook-signature' => 'v1,abc'}) if $hook eq 'malformed';
    $request{headers} = Plum::Sign::override($request{headers},
        {'x-sig' => 'abc'}) if $timed eq 'malformed';
    return %request;
}


# accepted if one of the lines is right, else refused for the one that got
# farthest

sub any {
    my ($uri, $order, %line) = @_;

    my $what = "$uri: " . join ', ', map { "$_ $line{$_}" } sort keys %line;
    my %request = delivery($uri, %line);
    my ($right) = grep { $line{$_} =~ /right|old/ } @$order;
    if ($right) {
        my %label = (key => $line{key} && $line{key} eq 'old' ? 'api#2'
            : 'api#1', hook => 'sig#1', timed => 'sig#1', token => 'tok#1');
        return $cases->accept($what, \%request, secret => $label{$right});
    }

    my ($reason) = sort { $FAR{$b} <=> $FAR{$a} } map {
        {missing => $MISSING, malformed => $MALFORMED, wrong => $MISMATCH,
            stale => $STALE}->{$line{$_}} } keys %line;
    return $cases->refuse($what, \%request, $reason);
}


sub two {
    my ($uri) = @_;

    for my $key (qw(right old wrong malformed missing)) {
        any($uri, [qw(key hook)], key => $key, hook => $_)
            for qw(right wrong malformed missing stale);
    }
    return;
}


sub every {
    my ($uri) = @_;

    $cases->accept("$uri: both", {delivery($uri, key => 'right',
        hook => 'right')}, secret => 'api#1');
    for my $case ([right => 'wrong', $MISMATCH], [right => 'missing',
        $MISSING], [right => 'stale', $STALE], [wrong => 'right', $MISMATCH],
        [missing => 'right', $MISSING], [malformed => 'right', $MALFORMED],
        [wrong => 'missing', $MISMATCH])
    {
        $cases->refuse("$uri: key $case->[0], hook $case->[1]",
            {delivery($uri, key => $case->[0], hook => $case->[1])},
            $case->[2]);
    }
    return;
}


sub one {
    any('/one', ['key'], key => $_) for qw(right wrong malformed missing);
    return;
}


# a token is only seen once the body has been read

sub tokens {
    for my $token (qw(right wrong missing)) {
        any('/body', [qw(hook token)], token => $token, hook => $_)
            for qw(right wrong malformed missing stale);
    }
    return;
}


sub three {
    my @order = qw(key hook token);

    any('/three', \@order, key => $_->[0], hook => $_->[1], token => $_->[2])
        for map { [split] } 'right right right', 'wrong right right',
        'wrong wrong right', 'missing missing right', 'missing right missing',
        'right missing missing', 'wrong wrong wrong', 'wrong stale wrong',
        'malformed missing missing', 'missing malformed missing',
        'missing missing wrong', 'missing missing missing',
        'malformed wrong missing', 'missing stale missing';
    return;
}


# a signature that is right, and too old by a time in the body

sub body_times {
    for my $key (qw(right wrong malformed missing)) {
        any('/json', [qw(key timed)], key => $key, timed => $_)
            for qw(right wrong malformed missing stale);
    }
    return;
}


# no line's header goes on, whichever held

sub removed {
    for my $line ([key => 'right', hook => 'wrong'],
        [key => 'wrong', hook => 'right'], [key => 'right', hook => 'right'])
    {
        $t->request(delivery('/any', @$line));
        my $got = ($up->requests)[-1];
        is($up->header($got, 'x-api-key'), undef, "@$line: no key goes on");
        is($up->header($got, 'webhook-signature'), undef,
            "@$line: no signature goes on");
        ok($up->header($got, 'webhook-id'), "@$line: the id does");
    }
    return;
}


# what headers can tell is told before the body is asked for

sub before_the_body {
    my $ask = sub {
        my ($uri, %line) = @_;
        my $r = $t->request(delivery($uri, %line), expect => 1);
        return ($r->continued ? 'asked, ' : '') . $r->status;
    };

    is($ask->('/any', key => 'wrong', hook => $_), 401,
        "/any, hook $_: before any 100") for qw(missing malformed stale);
    is($ask->('/three', key => 'missing', hook => 'missing'), 'asked, 401',
        '/three: a token may come');
    is($ask->('/any', key => 'wrong', hook => 'wrong'), 'asked, 401',
        '/any: a signature must be checked');
    is($ask->('/any', key => 'right', hook => 'missing'), 'asked, 200',
        '/any: who has a key may send');
    return;
}


# who is not known learns nothing about the body

sub parsing {
    my $bad = '{"text":"a-mark-in-every-body"';
    my $refuse = sub {
        my ($reason, $uri, %line) = @_;
        $cases->refuse(join(' ', "$uri, no JSON:", %line),
            {delivery($uri, %line, body => $bad)}, $reason);
    };

    $refuse->('json_invalid', '/any', key => 'right');
    $refuse->('json_invalid', '/any', hook => 'right', key => 'wrong');
    $refuse->('json_invalid', '/body', hook => 'right');
    $refuse->('json_invalid', '/three', key => 'right');
    $refuse->($MISSING, '/body');
    $refuse->($MISMATCH, '/body', hook => 'wrong');
    $refuse->($STALE, '/three', hook => 'stale', key => 'wrong');
    $refuse->($MISMATCH, '/any', hook => 'wrong');
    return;
}


sub observed {
    for my $case (['right', 'accepted', ''], ['wrong', 'refused', $MISMATCH])
    {
        $cases->_send("observe, key $case->[0]",
            {delivery('/observe', key => $case->[0])}, status => 200,
            verdict => $case->[1], reason => $case->[2], forwarded => 1);
    }
    return;
}


# --- nginx -t

sub said {
    my ($conf) = @_;

    my ($status, $said) = $t->test_config(join "\n", '%%GLOBALS%%',
        'events {}', 'http {', '%%HTTP_GLOBALS%%',
        (map { "plum_secret $_ %%TESTDIR%%/$_;" } sort keys %SECRET),
        'plum_secret both %%TESTDIR%%/old;',
        'plum_secret both %%TESTDIR%%/sig;',
        'plum_store mem memory:1m;', 'plum_allow all;', 'plum_tls off;',
        'plum_idempotency_key $plum_body_sha256;', $conf, '}');
    return join ' ', $status, map { s/\A.*(\[(?:warn|emerg)\])/$1/r }
        grep { /\[(?:warn|emerg)\]/ } split /\n/, $said;
}


sub server {
    my (@lines) = @_;

    return join "\n", 'server {', 'listen 127.0.0.1:%%PORT_0%%;',
        @lines, q(});
}


sub configurations {
    my $key = 'plum_signature api-key secret=api;';
    my $hook = 'plum_signature svix secret=sig;';
    my $on = 'plum on; proxy_pass http://127.0.0.1:9;';
    my $dedupe = 'plum_idempotency mem;';
    my $outer = qr/\A1\ \[emerg\]\ "plum_satisfy\ any"\ of\ an\ outer\ level
        .*\ beside\ them\ in\ /x;
    my $shared = qr/\A0\ \[warn\]\ scheme\ "(?:api-key|body-token)"\ sends\ the
        \ secret\ "(?:api|sig|both)\#\d"\ with\ each\ delivery.*as\ scheme
        \ "(?:svix|github|hmac)"\ does:\ use\ another\ secret\ for\ one/x;
    my $replays = qr/\A0\ \[warn\]\ a\ signature\ that\ is\ enough\ by
        \ "plum_satisfy\ any"\ has\ no\ timestamp\ and\ "plum_idempotency"
        \ is\ off:\ replays\ pass\ in\ \S+\z/x;

    my $location = sub { server(join ' ', 'location / {', @_, '}') };
    my $is = sub {
        my ($what, $want, $conf) = @_;
        my $said = said($conf);
        ref $want ? like($said, $want, $what) : is($said, $want, $what);
    };

    $is->('any, one level', '0', $location->($on, $dedupe, $key, $hook,
        'plum_satisfy any;'));
    $is->('any and lines of a server', '0', server('plum_satisfy any;',
        $dedupe, $key, $hook, "location / { $on }"));
    $is->('any in the location, lines of the server', '0', server($key, $hook,
        $dedupe, "location / { $on plum_satisfy any; }"));
    $is->('any of the server, one line', '0', server('plum_satisfy any;',
        $dedupe, "location / { $on $hook }"));
    $is->('any of the server, two lines', $outer, server('plum_satisfy any;',
        $dedupe, "location / { $on $key $hook }"));
    $is->('any of http, lines of a server', $outer,
        "plum_satisfy any;\n" . server($dedupe, $key, $hook,
            "location / { $on }"));
    $is->('and a level in between', $outer, server('plum_satisfy any;',
        $dedupe, "location / { $key $hook location /a { $on } }"));
    $is->("any of the server, $_ beside the lines", '0', server(
        'plum_satisfy any;', $dedupe,
        "location / { $on $key $hook plum_satisfy $_; }")) for qw(all any);
    $is->('any of the server, plum off', '0', server('plum_satisfy any;',
        $dedupe, "location / { plum off; $key $hook }"));

    my @twice = ('plum_signature api-key secret=sig;', $hook);
    $is->('one secret', $shared, $location->($on, $dedupe, @twice));
    $is->('one secret, the other way round', $shared,
        $location->($on, $dedupe, reverse @twice));
    $is->('one secret of several, by another name', $shared, $location->($on,
        $dedupe, 'plum_signature api-key secret=both;', $hook));
    $is->('one secret, as a token', $shared, $location->($on, $dedupe,
        'plum_signature body-token secret=sig path=a;',
        'plum_signature github secret=both;'));
    $is->('one secret, and the word any', '0', $location->($on, $dedupe,
        @twice, 'plum_satisfy any;'));
    $is->('one secret of two keys', '0', $location->($on, $dedupe, $key,
        'plum_signature body-token secret=api path=a;'));
    $is->('one secret of two signatures', '0', $location->($on, $dedupe,
        $hook, 'plum_signature github secret=sig;'));

    $is->('any, a key, no idempotency', $replays, $location->($on, $key,
        $hook, 'plum_satisfy any;'));
    $is->('all, a key, no idempotency', '0', $location->($on, $key, $hook));
    $is->('any, two times, no idempotency', '0', $location->($on, $hook,
        'plum_signature stripe secret=sig;', 'plum_satisfy any;'));
    $is->('any, two times, tolerance off', $replays, $location->($on, $hook,
        'plum_signature stripe secret=sig tolerance=off;',
        'plum_satisfy any;'));
    $is->('any of one line', qr/\A0 \[warn\] no signature has a timestamp/,
        $location->($on, $key, 'plum_satisfy any;'));

    $is->('neither', qr/\A1 \[emerg\] invalid value "some"/,
        $location->($on, $key, 'plum_satisfy some;'));
    $is->('twice', qr/\A1 \[emerg\] "plum_satisfy" directive is duplicate/,
        $location->($on, $key, 'plum_satisfy any; plum_satisfy any;'));
    return;
}
