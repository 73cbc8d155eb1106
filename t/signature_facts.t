#!/usr/bin/perl

# What a signature speaks of: times, ids, headers and the URI; tokens and
# times in the body.  The exact edges of the window need a clock that stands
# still: see vectors.t.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use POSIX qw(strftime);
use Test::More;
use Test::Plum;
use Test::Plum::Cases;

my @SECRET = ('first/secret of many bytes', 'second/secret of many bytes');
my $MARK = 'a-mark-in-every-body';
my $MISSING = 'credential_missing';
my $MALFORMED = 'credential_malformed';
my $MISMATCH = 'credential_mismatch';
my $STALE = 'timestamp_stale';

my $t = Test::Plum->new;
my $up = $t->upstream('up');
my $cases = Test::Plum::Cases->new($t, $up,
    good => sub { return $t->signed(scheme => 'github', uri => '/github',
        secret => $SECRET[0]) });

$t->secret("key$_", $SECRET[$_ - 1]) for 1, 2;
$t->write_conf(<<'CONF'
%%GLOBALS%%
events {}
http {
    %%HTTP_GLOBALS%%
    FORMAT
    keepalive_requests 100000;
    plum_secret key %%TESTDIR%%/key1;
    plum_secret key %%TESTDIR%%/key2;
    plum_allow all;
    plum_tls off;
    server {
        listen 127.0.0.1:%%PORT_0%%;
        LOG
        location /github { SIGN github secret=key; PASS }
        location /standard-webhooks { SIGN standard-webhooks secret=key; PASS }
        location /svix { SIGN svix secret=key; PASS }
        location /slack { SIGN slack secret=key; PASS }
        location /stripe { SIGN stripe secret=key; PASS }
        location /hmac { SIGN hmac secret=key header=x-sig timestamp=x-time
            "content={timestamp}.{body}"; PASS }
        location /off { SIGN hmac secret=key header=x-sig timestamp=x-time
            tolerance=off "content={timestamp}.{body}"; PASS }
        location /minute { SIGN hmac secret=key header=x-sig timestamp=x-time
            tolerance=1m "content={timestamp}.{body}"; PASS }
        location /uri { SIGN hmac secret=key header=x-sig
            "content={header:X-Tenant}:{uri}:{body}"; PASS }
        location /json { SIGN hmac secret=key header=x-sig
            timestamp=json:data.createdAt; PASS }
        location /json-off { SIGN hmac secret=key header=x-sig tolerance=off
            timestamp=json:data.createdAt; PASS }
        location /token { SIGN body-token secret=key path=auth.token; PASS }
        location /token-and-key { SIGN body-token secret=key path=auth.token;
            plum_signature api-key secret=key; PASS }
    }
}
CONF
    =~ s/FORMAT/Test::Plum::Cases->log_format/er
    =~ s/LOG/Test::Plum::Cases->access_log/er
    =~ s/SIGN/plum on; plum_signature/gr
    =~ s/PASS/proxy_pass http:\/\/127.0.0.1:%%PORT_up%%;/gr);
$t->run;
my @workers = $t->workers;

my %HMAC = (scheme => 'hmac', header => 'x-sig');
my %TIMED = (%HMAC, timestamp => 'x-time', content => '{timestamp}.{body}');

header_times('standard-webhooks', 'webhook-timestamp');
header_times('svix', 'svix-timestamp');
header_times('slack', 'x-slack-request-timestamp');
header_times('hmac', 'x-time', %TIMED);
header_times('stripe');
stripe();
tolerances();
ids();
templates();
body_token();
body_times();

is(join(' ', $t->workers), "@workers", 'the worker of the beginning');
$cases->finish;
my $log = $t->error_log;
is_deeply([grep { index($log, $_) >= 0 } $MARK, @SECRET], [],
    'no secret and no body in the log');
$t->done_testing;


sub sign {
    my ($name, %opt) = @_;

    return {$t->signed(scheme => $name, uri => "/$name", secret => $SECRET[0],
        body => qq({"text":"$MARK"}), %opt)};
}


# a request with other values of one header, or without it

sub with {
    my ($request, $header, @values) = @_;

    $request->{headers} = Plum::Sign::override($request->{headers},
        [[$header, undef], map { [$header, $_] } @values]);
    return $request;
}


sub check {
    my ($what, $request, $want) = @_;

    return $want ? $cases->refuse($what, $request, $want)
        : $cases->accept($what, $request);
}


# every time is signed as it is spelt: only the time can be wrong

sub header_times {
    my ($name, $header, @scheme) = @_;

    my $now = time();
    my $try = sub { check("$name: time '$_[0]'",
        sign($name, @scheme, ts => $_[0]), $_[1]) };

    $try->($now + $_) for -295, -60, 0, 60, 295;
    $try->($now + $_, $STALE) for -400, 400, -86_400, 86_400;
    $try->($_, $STALE) for 0, 1, 253402300799, 999999999999, '1' . '0' x 12;
    $try->($_, $MALFORMED) for '-1', "-$now", '1' x 20, '9' x 19,
        '18446744073709551616', '1e9', '0x5', "+$now", "$now.0", "${now}s",
        "$now 1", 'now', '1' . '0' x 13;

    # white space around a header's value, or an item of it, is no part of it
    $try->(" $now", $header ? $MISMATCH : $MALFORMED);
    $try->("$now ", $MISMATCH);
    $try->('', $header ? $MISSING : $MALFORMED);
    return if !$header;

    my @signed = ($name, @scheme, ts => $now);
    check("$name: no time", with(sign(@signed), $header), $MISSING);
    check("$name: two times", with(sign(@signed), $header, $now, $now),
        $MALFORMED);
    check("$name: another time", with(sign(@signed), $header, $now - 1),
        $MISMATCH);
    check("$name: ' 1'", with(sign(@signed), $header, ' 1'), $STALE);
    return;
}


sub stripe {
    my $now = time();
    my ($sign) = map { $_->[1] } grep { $_->[0] eq 'stripe-signature' }
        @{sign('stripe', ts => $now)->{headers}};
    my ($mac) = $sign =~ /v1=(\w+)/;
    my $old = $now - 1000;

    check("stripe: '$_->[0]'",
        with(sign('stripe'), 'stripe-signature', $_->[0] =~ s/M/$mac/r),
        $_->[1])
        for ["t=$now,v1=M"], ["v1=M,t=$now"], ["t=$now,v0=ab,v1=M,v9"],
        ["t=$now,v1=M,"], ["v1=M", $MALFORMED], ["t=,v1=M", $MALFORMED],
        ["t=$now", $MALFORMED], ["t=$now,t=$now,v1=M", $MALFORMED],
        ["t=$old,t=$now,v1=M", $MALFORMED], ["T=$now,v1=M", $MALFORMED],
        ["t=$now v1=M", $MALFORMED], ["t=$old,v1=M", $STALE],
        ["t=@{[$now - 1]},v1=M", $MISMATCH];
    return;
}


sub tolerances {
    my $now = time();
    my $try = sub { check("$_[0]: time $_[1]",
        sign($_[0], %TIMED, ts => $_[1]), $_[2]) };

    $try->('off', 1);
    $try->('off', $now + 86_400 * 365);
    $try->('off', 'now', $MALFORMED);
    $try->('minute', $now + $_) for -50, 50;
    $try->('minute', $now + $_, $STALE) for -90, 90;
    return;
}


sub ids {
    for my $name (qw(standard-webhooks svix)) {
        my $header = $name eq 'svix' ? 'svix-id' : 'webhook-id';
        my $try = sub { check("$name: $_[0]",
            with(sign($name, id => 'msg_1'), $header, @_[2 .. $#_]), $_[1]) };

        $try->('no id', $MISSING);
        $try->('empty id', $MISSING, '');
        $try->('two ids', $MALFORMED, 'msg_1', 'msg_1');
        $try->('another id', $MISMATCH, 'msg_2');
        check("$name: a dot in the id", sign($name, id => 'msg.1'),
            $MALFORMED);
    }
    return;
}


sub templates {
    my $sign = sub {
        my ($uri, @tenants) = @_;
        return with(sign('uri', %HMAC, uri => $uri,
            content => '{header:X-Tenant}:{uri}:{body}',
            extra => {'x-tenant' => 'acme'}), 'X-Tenant', @tenants);
    };

    my $request = $sign->('/uri/a%2Fb//c?x=1&y=%20', 'acme');
    check('uri: as in the request line', {%$request});
    check("uri: sent to $_", {%$request, uri => $_}, $MISMATCH)
        for '/uri/a%2Fb//c?x=2&y=%20', '/uri/a/b/c?x=1&y=%20',
        '/uri/a%2fb//c?x=1&y=%20', '/uri/a%2Fb//c';
    check('header: no tenant', $sign->('/uri'), $MISSING);
    check('header: empty', $sign->('/uri', ''), $MISSING);
    check('header: another', $sign->('/uri', 'other'), $MISMATCH);
    check('header: two', $sign->('/uri', 'acme', 'acme'), $MALFORMED);
    return;
}


sub body_token {
    my $try = sub {
        my ($what, $body, $want, %more) = @_;
        my %request = (method => 'POST', uri => '/token', body => $body,
            headers => [['content-type', 'application/json']], %more);
        check("body-token: $what", \%request, $want);
    };
    my $auth = sub { qq({"text":"$MARK","auth":{"token":$_[0]}}) };

    $try->('right', $auth->(qq("$SECRET[0]")));
    $try->('second', $auth->(qq("$SECRET[1]")));
    $try->('escaped solidus', $auth->(qq("$SECRET[0]") =~ s{/}{\\/}r));
    $try->('\u', $auth->(qq("$SECRET[0]") =~ s{f}{\\u0066}r));
    $try->('escaped names',
        qq({"\\u0061uth":{"t\\u006fken":"$SECRET[0]"}}));
    $try->('wrong', $auth->('"wrong"'), $MISMATCH);
    $try->('empty', $auth->('""'), $MISMATCH);
    $try->('cut', $auth->(qq("$SECRET[0]") =~ s/.(?="\z)//r), $MISMATCH);
    $try->('long', $auth->('"' . 'x' x 9999 . '"'), $MISMATCH);
    $try->('a NUL', $auth->(qq("$SECRET[0]\\u0000")), $MISMATCH);
    $try->('a lone surrogate', $auth->('"\ud800"'), $MISMATCH);
    $try->($_, $auth->($_), $MISSING) for qw(1 1e5 null true {} []);
    $try->('an array', $auth->(qq(["$SECRET[0]"])), $MISSING);
    $try->('elsewhere', qq({"token":"$SECRET[0]"}), $MISSING);
    $try->('none', '{}', $MISSING);
    $try->('no body', '', $MISSING);
    $try->('no JSON', $auth->(qq("$SECRET[0]")) . '}', $MISSING);
    $try->('twice', $auth->(qq("$SECRET[0]","token":"$SECRET[0]")), $MISSING);

    # who has shown a key is told that his body is broken
    my $key = ['x-api-key', $SECRET[0]];
    my @to = (uri => '/token-and-key', headers =>
        [['content-type', 'application/json'], $key]);
    $try->('beside a key', $auth->(qq("$SECRET[0]")), undef, @to);
    $try->('no JSON beside a key', '{', 'json_invalid', @to);
    $try->('wrong beside a key', $auth->('"wrong"'), $MISMATCH, @to);
    return;
}


sub body_times {
    my $try = sub {
        my ($value, $want, %more) = @_;
        my $body = defined $value ? qq({"data":{"createdAt":$value}})
            : '{"createdAt":' . time() . '}';
        check('time in the body: ' . (defined $value ? $value : 'none'),
            sign('json', %HMAC, body => $body, %more), $want);
    };

    # SECONDS stands for the unix time: %s would be of the local zone
    for my $form (qw(SECONDS "SECONDS" SECONDS123), '"%Y-%m-%d %H:%M:%S"',
        '"%Y-%m-%dT%H:%M:%SZ"', '"%Y-%m-%dT%H:%M:%S.123+00:00"',
        '"%Y-%m-%d %H:%M:%SZ"')
    {
        for my $shift (-290, 290, -400, 400) {
            my $at = time() + $shift;
            $try->(strftime($form, gmtime $at) =~ s/SECONDS/$at/r,
                abs $shift > 300 ? $STALE : undef);
        }
    }
    $try->(strftime('"%Y-%m-%dT%H:%M:%S+05:30"', gmtime(time() + 19_800)));
    $try->(strftime('"%Y-%m-%dT%H:%M:%S+05:30"', gmtime), $STALE);
    $try->($_, $STALE) for undef, qw(null true {} [] "" "tomorrow" -1 1e9
        "2026-13-01"), '1' x 20, '" ' . time() . '"';
    $try->($_, undef, uri => '/json-off') for 1, '"2020-01-01 00:00:00"';
    $try->(qw("tomorrow"), $STALE, uri => '/json-off');
    $try->(time(), $MISMATCH, secret => 'another secret of many bytes');
    return;
}
