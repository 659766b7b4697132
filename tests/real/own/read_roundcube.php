<?php
// Roundcube's own eyes: every account with its identities, searches, groups and contacts, through its own classes.
define('INSTALL_PATH', getenv('ROUNDCUBE') . '/');
set_error_handler(function ($no, $text) { if (error_reporting() & $no) { echo "! $text\n"; } return true; }, E_WARNING | E_NOTICE);
require_once INSTALL_PATH . 'program/include/clisetup.php';
$db = $rcmail->get_dbh();
$read = 0;
$users = [];
$result = $db->query('SELECT user_id FROM ' . $db->table_name('users', true) . ' ORDER BY user_id');
while ($row = $db->fetch_assoc($result)) { $users[] = $row['user_id']; }
foreach ($users as $id) {
    $user = new rcube_user($id);
    if ($user->ID != $id) { echo "! user $id cannot be loaded\n"; continue; }
    $user->get_prefs();
    $read += 1 + count($user->list_identities()) + count($user->list_searches(1)) + count($user->list_searches(2));
    $book = new rcube_contacts($db, $id);
    $book->set_pagesize(100000);
    $groups = $book->list_groups();
    $read += count($groups);
    foreach ($book->list_records()->records as $record) {
        $read += 1;
        if (!$book->get_record($record['ID'], true)) { echo "! contact {$record['ID']} cannot be loaded\n"; }
        foreach ($book->get_record_groups($record['ID']) as $group => $name) {
            if (!in_array($group, array_column($groups, 'ID'))) { echo "! contact {$record['ID']} is in group $group of nobody\n"; }
        }
    }
}
echo "read $read\n";
