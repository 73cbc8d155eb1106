#!/usr/bin/perl

# The presets of single vendors, and the forms that real senders use:
# timestamps in milliseconds and as dates, lists with semicolons and with
# spaces, base64 without padding and with the digits of URLs.  What all
# schemes share is tried in signature.t and signature_facts.t.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use POSIX qw(strftime);
use Test::More;
use Test::Plum;
use Test::Plum::Cases;

my @SECRET = ('first/secret of many bytes', 'second/secret of many bytes');
my $OTHER = 'another secret of many bytes';
my $BODY = '{"text":"a-mark-in-every-body","id":1}';
my $MISSING = 'credential_missing';
my $MALFORMED = 'credential_malformed';
my $MISMATCH = 'credential_mismatch';
my $STALE = 'timestamp_stale';

# the header with the signature, and the one with the timestamp
my %PRESET = (
    twitch => ['twitch-eventsub-message-signature',
        'twitch-eventsub-message-timestamp'],
    hubspot => ['x-hubspot-signature-v3', 'x-hubspot-request-timestamp'],
    zendesk => ['x-zendesk-webhook-signature',
        'x-zendesk-webhook-signature-timestamp'],
    paddle => ['paddle-signature'],
    zoom => ['x-zm-signature', 'x-zm-request-timestamp'],
    meta => ['x-hub-signature-256'],
    pagerduty => ['x-pagerduty-signature'],
    linear => ['linear-signature'],
);

my $t = Test::Plum->new;
my $up = $t->upstream('up');
my $cases = Test::Plum::Cases->new($t, $up,
    good => sub { return sign('meta') });

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
        listen 127.0.0.1:%%PORT_h2%% http2;
        LOG
        PRESETS
        location /timed { SIGN hmac secret=key header=x-sig timestamp=x-time
            "content={timestamp}.{body}"; PASS }
        location /list { SIGN hmac secret=key header=x-sig format=list
            prefix=s= timestamp=list:at "content={timestamp}.{body}"; PASS }
        location /padded { SIGN hmac secret=key header=x-sig
            encoding=base64; PASS }
        location /unpadded { SIGN hmac secret=key header=x-sig
            encoding=base64-unpadded; PASS }
        location /url { SIGN hmac secret=key header=x-sig
            encoding=base64url; PASS }
    }
}
CONF
    =~ s{PRESETS}{join "\n",
        map { "location /$_ { SIGN $_ secret=key; PASS }" } sort keys %PRESET}er
    =~ s/FORMAT/Test::Plum::Cases->log_format/er
    =~ s/LOG/Test::Plum::Cases->access_log/er
    =~ s/SIGN/plum on; plum_signature/gr
    =~ s/PASS/proxy_pass http:\/\/127.0.0.1:%%PORT_up%%;/gr);
$t->run;
my @workers = $t->workers;

preset($_, @{$PRESET{$_}}) for sort keys %PRESET;
header_times();
twitch();
hubspot();
linear();
lists();
encodings();

is(join(' ', $t->workers), "@workers", 'the worker of the beginning');
$cases->finish;
$t->done_testing;


sub sign {
    my ($name, %opt) = @_;

    my %body = (body => $BODY);
    $body{body} = '{"webhookTimestamp":' . time() . '000,"a":1}'
        if $name eq 'linear';
    return $t->signed(scheme => $name, uri => "/$name", secret => $SECRET[0],
        extra => {host => 'localhost'}, %body, %opt);
}


# the same with other values of one header

sub with {
    my ($request, $header, @values) = @_;

    my %changed = %$request;
    $changed{headers} = Plum::Sign::override($request->{headers},
        [[$header, undef], map { [$header, $_] } @values]);
    return \%changed;
}


sub value {
    my ($request, $header) = @_;

    my ($value) = map { $_->[1] } grep { lc $_->[0] eq $header }
        @{$request->{headers}};
    return $value;
}


sub check {
    my ($what, $request, $want) = @_;

    return $want ? $cases->refuse($what, $request, $want)
        : $cases->accept($what, $request);
}


sub preset {
    my ($name, $header, $time) = @_;

    my %right = sign($name);
    my $value = value(\%right, $header);

    $cases->accept("$name: right", \%right, secret => 'key#1');
    $cases->accept("$name: the second secret",
        {sign($name, secret => $SECRET[1])}, secret => 'key#2');
    check("$name: another key", {sign($name, secret => $OTHER)}, $MISMATCH);
    check("$name: another body",
        {%right, body => $right{body} =~ s/1\}/2}/r}, $MISMATCH);
    check("$name: no signature", with(\%right, $header), $MISSING);
    check("$name: twice", with(\%right, $header, $value, $value),
        $MALFORMED);
    check("$name: cut", with(\%right, $header, $value =~ s/...\z//r),
        $MALFORMED);
    return if !$time;

    my %old = sign($name, ts => Plum::Sign->new(scheme => $name)
        ->spelt_time(time() - 900));
    check("$name: old", \%old, $STALE);
    check("$name: old, under a new time",
        with(\%old, $time, value(\%right, $time)), $MISMATCH);
    check("$name: no time", with(\%right, $time), $MISSING);
    return;
}


# one header, three units: none of them needs to be told

sub header_times {
    my %to = (scheme => 'hmac', uri => '/timed', header => 'x-sig',
        timestamp => 'x-time', content => '{timestamp}.{body}');
    my $try = sub { check("time '$_[0]'",
        {sign('hmac', %to, ts => $_[0])}, $_[1]) };

    for my $form (qw(SECONDS SECONDS000 SECONDS999 %Y-%m-%dT%H:%M:%SZ
        %Y-%m-%dT%H:%M:%S.123Z %Y-%m-%dT%H:%M:%S.123456789Z
        %Y-%m-%dT%H:%M:%S+00:00 %Y-%m-%dT%H:%M:%S), '%Y-%m-%d %H:%M:%SZ')
    {
        for my $shift (-280, 280, -400, 400) {
            my $at = time() + $shift;
            $try->(strftime($form, gmtime $at) =~ s/SECONDS/$at/r,
                abs $shift > 300 ? $STALE : undef);
        }
    }

    my $now = time();
    $try->(strftime('%Y-%m-%dT%H:%M:%S+05:30', gmtime($now + 19_800)));
    $try->(strftime('%Y-%m-%dT%H:%M:%S+05:30', gmtime $now), $STALE);
    $try->("${now}00", $STALE);
    $try->($_, $MALFORMED) for "${now}0000", "$now.123",
        strftime('%Y-%m-%d', gmtime $now), '2026-13-01T00:00:00Z',
        '2026-02-30T00:00:00Z', strftime('%a, %d %b %Y %T GMT', gmtime $now),
        strftime('%Y-%m-%dT%H:%M:%SZ', gmtime $now) . 'Z';
    return;
}


# {id}{timestamp}: only a date tells where the id ends

sub twitch {
    my $now = time();
    my $date = strftime('%Y-%m-%dT%H:%M:%S.123456789Z', gmtime $now);
    my ($id, $time) = map { "twitch-eventsub-message-$_" } qw(id timestamp);

    my %right = sign('twitch', id => 'msg-2', ts => $date);
    check('twitch: nanoseconds', \%right);
    check('twitch: the id is signed', with(\%right, $id, 'msg-3'), $MISMATCH);
    check('twitch: no id', with(\%right, $id), $MISSING);
    check('twitch: the first digit of the year moved', with(with(\%right,
        $id, 'msg-2' . substr $date, 0, 1), $time, substr $date, 1),
        $MALFORMED);
    check('twitch: the last digit of the id moved', with(with(\%right,
        $id, 'msg-'), $time, "2$date"), $MALFORMED);

    my %number = sign('twitch', id => 'msg-0', ts => $now);
    check('twitch: a number', \%number, $MALFORMED);
    check('twitch: a number, and a zero moved', with(with(\%number,
        $id, 'msg-'), $time, "0$now"), $MALFORMED);

    for my $shift (-580, 580, -620, 620) {
        check("twitch: $shift s", {sign('twitch', ts =>
            strftime('%Y-%m-%dT%H:%M:%SZ', gmtime(time() + $shift)))},
            abs $shift > 600 ? $STALE : undef);
    }
    return;
}


# the whole address is signed

sub hubspot {
    my $sign = sub { sign('hubspot', uri => '/hubspot?a=1&b=%40', @_) };
    my %right = $sign->();

    check('hubspot: with arguments', \%right);
    check("hubspot: sent to $_", {%right, uri => $_}, $MISMATCH)
        for '/hubspot?a=1&b=@', '/hubspot?a=1', '/hubspot/x?a=1&b=%40';
    check('hubspot: another host',
        {$sign->(extra => {host => 'example.com'})}, $MISMATCH);
    check('hubspot: another host, which is asked for',
        with({$sign->(extra => {host => 'example.com:8443'})}, 'host',
            'example.com:8443'));

    # what HTTP/2 calls :authority
    my $host = 'localhost:' . $t->port('h2');
    my %request = $sign->(extra => {host => $host});
    my $r = $t->client('h2')->h2(%request);
    is($r->status, 200, 'hubspot: over HTTP/2');
    %request = $sign->(extra => {host => 'example.com'});
    $r = $t->client('h2')->h2(%request);
    is($r->status, 401, 'hubspot: another host over HTTP/2');
    return;
}


# the time stands in the body

sub linear {
    my $try = sub { check("linear: $_[0]", {sign('linear',
        body => qq({"webhookTimestamp":$_[0],"a":1}))}, $_[1]) };
    my $now = time();

    $try->($_) for "${now}000", $now, ($now - 280) . '999';
    $try->($_, $STALE) for ($now - 400) . '000', ($now + 400) . '000',
        'null', '"now"';
    check('linear: no time', {sign('linear', body => '{"a":1}')}, $STALE);
    return;
}


sub lists {
    my %to = (scheme => 'hmac', uri => '/list', header => 'x-sig',
        format => 'list', prefix => 's=', timestamp => 'list:at',
        content => '{timestamp}.{body}');
    my $now = time();
    my %signed = sign('hmac', %to, ts => $now);
    my ($mac) = value(\%signed, 'x-sig') =~ /s=(\w+)/;
    my $other = 'ab' x 32;
    my $try = sub {
        my ($form, $want) = @_;
        my $value = $form =~ s/M/$mac/gr =~ s/X/$other/gr =~ s/N/$now/gr;
        check("list: '$form'", with(\%signed, 'x-sig', $value), $want);
    };

    $try->($_) for 'at=N,s=M', 'at=N;s=M', 'at=N, s=M', 'at=N ; s=M',
        "at=N,\ts=M", 's=M; at=N', 'at=N;s=X;s=M', 'at=N, s=X, s=M, v=1',
        'at=N;;s=M;', 'at=N, s=M,';
    $try->($_, $MALFORMED) for 'at=N s=M', 'at=N:s=M', 'at=N|s=M',
        'at =N, s=M', 'at= N, s=M', 'at=N, s= M', 'at=N, s =M',
        'at=N; at=N; s=M', 'at=N;', '; ;', 's=M', 'at=N, x s=M';
    $try->('at=N; s=X', $MISMATCH);
    $try->('at=N;' . join(';', ('s=X') x 16), $MISMATCH);
    $try->('at=N;' . join('; ', ('s=X') x 16, 's=M'), $MALFORMED);

    my ($v1) = map { value($_, 'x-pagerduty-signature') =~ s/.*=//r }
        {sign('pagerduty')};
    check("pagerduty: '$_'", with({sign('pagerduty')},
        'x-pagerduty-signature', s/M/$v1/r =~ s/X/$other/r))
        for 'v1=X,v1=M', 'v1=M, v1=X', 'v2=X,v1=M';
    return;
}


sub encodings {
    my %to = (scheme => 'hmac', header => 'x-sig');

    # a MAC that the alphabets spell differently
    my (%signed, $padded);
    for (my $n = 0; !defined $padded || $padded !~ m{\+.*/|/.*\+}; $n++) {
        %signed = sign('hmac', %to, encoding => 'base64', body => "[$n]");
        $padded = value(\%signed, 'x-sig');
    }
    my $bare = $padded =~ s/=\z//r;
    my %form = (padded => $padded, unpadded => $bare,
        'url, padded' => $padded =~ tr{+/}{-_}r,
        'url, unpadded' => $bare =~ tr{+/}{-_}r,
        mixed => $bare =~ s/\+/-/r, 'a wrong end' => "$bare==",
        cut => substr($bare, 0, -2), 'a blank' => $bare =~ s/.{9}\K/ /r);
    my %right = (padded => ['padded'], unpadded => ['unpadded'],
        url => ['url, padded', 'url, unpadded']);

    for my $encoding (sort keys %right) {
        for my $form (sort keys %form) {
            my $ok = grep { $_ eq $form } @{$right{$encoding}};
            check("encoding $encoding: $form", with({%signed,
                uri => "/$encoding"}, 'x-sig', $form{$form}),
                $ok ? undef : $MALFORMED);
        }
    }
    return;
}
