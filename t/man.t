#!/usr/bin/perl

# The manual pages are made, name each option that --help prints and each
# directive, variable and reason, and are formatted without a complaint; and
# the tools work from where they are installed.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Plum;
use Test::Plum::Example qw(slurp);
use Test::Plum::Process qw(run_command);

my $t = Test::Plum->new;
my $ROOT = Test::Plum::root();
my $DIR = $t->dir;
my @TOOLS = qw(plum-send plum-queue plum-policy plum-pseudonym);

my ($status, $said) = run_command('make', '-s', '-C', $ROOT, 'install-tools',
    "BUILD=$DIR/build", "DESTDIR=$DIR/root", 'PREFIX=/usr');
is($status, 0, 'make install-tools') or BAIL_OUT($said);

tools($_) for @TOOLS;
module();
$t->done_testing;


# the text of a page, as far as words go

sub page {
    my ($name) = @_;

    my $text = $t->read_file("root/usr/share/man/$name");
    $text =~ s/\\-/-/g;
    $text =~ s/\\(?:&|f[A-Z]|f\(\w\w|f\[\w*\])//g;
    $text =~ s/\\\(aq/'/g;
    $text =~ s/\\e/\\/g;
    return $text;
}


sub formatted {
    my ($name) = @_;

    my ($status, $said) = run_command('groff', '-man', '-t', '-Tutf8', '-ww',
        '-k', '-z', "$DIR/root/usr/share/man/$name");
    # of tables that are wider than a screen
    my @complaints = grep { !/can(?:'t|not)\ (?:break|adjust)\ line
        |\Awarning:\ file\ .*\ around\ line|\A\ \ table\ (?:wider|squeezed)
        |\A\ \ column\ separation/x } split /\n/, $said;
    is_deeply(\@complaints, [], "$name: nothing to complain of");
    return;
}


sub tools {
    my ($tool) = @_;

    my ($status, $help) = run_command("$DIR/root/usr/bin/$tool", '--help');
    is($status, 0, "$tool is installed");
    my $page = page("man1/$tool.1");
    like($page, qr/^$tool - \w/m, 'its name');
    my %options = map { $_ => 1 }
        $help =~ /(?<![\w-])(--?[a-zA-Z][\w-]*)/g;
    cmp_ok(scalar keys %options, '>=', 5, 'options');
    ok($page =~ /(?<![\w-])\Q$_\E(?![\w-])/, "$tool: $_")
        for sort keys %options;
    like($page, qr/Status:/, 'its status');
    formatted("man1/$tool.1");
    return;
}


sub module {
    my $page = page('man5/ngx_http_plum_module.5');
    like($page, qr/^ngx_http_plum_module - \w/m, 'its name');

    my $doc = slurp('docs/DIRECTIVES.md');
    my %headings = map { $_ => 1 } $page =~ /^\.S[HS]\n(.*)$/mg,
        $page =~ /^\.S[HS] "?(.*?)"?$/mg;
    my @directives = $doc =~ /^### (plum\w*)$/mg;
    cmp_ok(scalar @directives, '>=', 20, 'directives');
    ok($headings{$_}, "directive $_") for @directives;
    ok($page =~ /(?<![\w])\Q$_\E(?!\w)/, $_)
        for $doc =~ /^\| `(\$?\w+)` \|/mg;
    ok(index($page, '\\|') < 0, 'no escapes of Markdown');
    formatted('man5/ngx_http_plum_module.5');
    return;
}
